"""Cancel a job, or the running attempts of a document or a task. What another job waits for too goes on."""

from __future__ import annotations

import time

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts as attempts_table
from pipeline.catalog.database.schema import batches, submissions, tasks
from pipeline.catalog.database.schema import jobs as jobs_table
from pipeline.catalog.work import attempts, events, jobs, task_list
from pipeline.names import ACTIVE

__all__ = ["cancel_document", "cancel_job", "cancel_task"]


def cancel_job(connection: Connection, job_id: str) -> int:
    """Cancel a job and its documents; no further documents are ingested.

    Returns:
        How many of its documents were not done yet.
    """
    connection.execute(
        jobs_table.update()
        .where(jobs_table.c.id == job_id, jobs_table.c.finished_at.is_(None))
        .values(cancelled_at=time.time(), intake_done=True)
    )
    number = attempts.cancel(connection, sa.and_(attempts_table.c.job_id == job_id, ~_wanted_elsewhere(job_id)))
    number += _leave(connection, job_id)
    _close_batches(connection, job_id)
    jobs.finish_if_complete(connection, job_id)
    return number


def cancel_document(connection: Connection, document_id: str) -> tuple[int, list[str]]:
    """Cancel the running attempts of a document, for every job that waits for it.

    Returns:
        How many attempts were ended, and the jobs that waited.
    """
    waiting = connection.scalars(
        sa.select(submissions.c.job_id).where(submissions.c.document_id == document_id, submissions.c.outcome.is_(None))
    ).all()
    return attempts.cancel(connection, attempts_table.c.document_id == document_id), list(waiting)


def cancel_task(connection: Connection, task_id: str) -> tuple[int, list[str]]:
    """Cancel the running attempts of the documents that a task works on; the other documents of its batch go on.

    The reconciler does not publish the task again. Only `finalize` still runs: it cleans up behind cancelled documents.

    Returns:
        How many attempts were ended, 0 if the task is done, and the jobs that waited for them.

    Raises:
        UnknownId: there is no such task.
    """
    task = task_list.row_of(connection, task_id)
    if task["state"] == "done":
        return 0, []
    ids = sa.select(attempts_table.c.id).where(*task_list.is_of_task(task))
    waiting = connection.scalars(
        sa.select(submissions.c.job_id)
        .where(submissions.c.attempt_id.in_(ids), submissions.c.outcome.is_(None))
        .distinct()
    ).all()
    if task["stage"] != "finalize":
        connection.execute(tasks.update().where(tasks.c.id == task_id).values(revoked_at=time.time()))
    return attempts.cancel(connection, attempts_table.c.id.in_(ids)), list(waiting)


def _wanted_elsewhere(job_id: str) -> sa.ColumnElement[bool]:
    """Whether another job that is not cancelled waits for the attempt too."""
    return sa.exists().where(
        submissions.c.attempt_id == attempts_table.c.id,
        submissions.c.job_id != job_id,
        submissions.c.outcome.is_(None),
        jobs_table.c.id == submissions.c.job_id,
        jobs_table.c.cancelled_at.is_(None),
    )


def _leave(connection: Connection, job_id: str) -> int:
    """Mark what goes on for other jobs as cancelled in this job; a live version only waits to be marked completed."""
    going_on = sa.select(attempts_table.c.id).where(
        attempts_table.c.id == submissions.c.attempt_id,
        attempts_table.c.state.in_(ACTIVE),
        sa.or_(attempts_table.c.job_id != job_id, _wanted_elsewhere(job_id)),
    )
    left = connection.execute(
        submissions.update()
        .where(submissions.c.job_id == job_id, submissions.c.outcome.is_(None), sa.exists(going_on))
        .values(outcome="cancelled")
        .returning(submissions.c.document_id)
    ).all()
    events.add(connection, "document.cancelled", ((job_id, row.document_id) for row in left))
    return len(left)


def _close_batches(connection: Connection, job_id: str) -> None:
    running = sa.select(attempts_table.c.id).where(
        attempts_table.c.batch_id == batches.c.id, attempts_table.c.state.in_(ACTIVE)
    )
    connection.execute(
        batches.update()
        .where(batches.c.job_id == job_id, batches.c.state == "waiting", ~sa.exists(running))
        .values(state="cancelled")
    )
