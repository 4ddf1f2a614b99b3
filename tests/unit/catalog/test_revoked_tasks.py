"""Revoking a task: which documents are cancelled, which go on, and what the reconciler sees of it."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts as attempts_table
from pipeline.catalog.database.schema import submissions
from pipeline.catalog.documents import live_versions, records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import batches, jobs, ledger
from pipeline.catalog.work.cancel import cancel_task
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.open_tasks import open_tasks
from pipeline.errors import UnknownId


def job_of(connection: Connection) -> str:
    return jobs.create(connection, Job("documents", "ingest", 5), "request", 0).id


def take(connection: Connection, job: str, name: str) -> str:
    recorded = records.record(connection, job, "recipe", FileRecord(f"/{name}", name * 64, 100, 1.0))
    return str(recorded.attempt_id)


def states(connection: Connection, *ids: str) -> list[str]:
    found = connection.execute(sa.select(attempts_table.c.id, attempts_table.c.state))
    by_id = {row.id: row.state for row in found}
    return [by_id[attempt] for attempt in ids]


def make_due(connection: Connection, batch: str, stage: str, part: int = 0, attempts: list[str] | None = None) -> str:
    ledger.add_due(connection, [(batch, stage, part, None if attempts is None else {"attempts": attempts})])
    return ledger.task_id(batch, stage, part)


def test_all_documents_of_the_batch_are_cancelled_and_those_of_other_batches_go_on(connection: Connection) -> None:
    job = job_of(connection)
    a, b, c = (take(connection, job, name) for name in "abc")
    batch, other = (batches.create(connection, job, 5, ids, active=True) for ids in ([a, b], [c]))
    revoked, going_on = make_due(connection, batch, "extract"), make_due(connection, other, "extract")

    assert cancel_task(connection, revoked) == (2, [job])
    assert states(connection, a, b, c) == ["cancelled", "cancelled", "queued"]
    assert {task.task_id: task.revoked for task in open_tasks(connection)} == {revoked: True, going_on: False}
    outcomes = sa.select(submissions.c.attempt_id).where(submissions.c.outcome == "cancelled")
    assert set(connection.scalars(outcomes)) == {a, b}
    assert cancel_task(connection, revoked) == (0, [])


def test_only_the_documents_of_a_part_are_cancelled(connection: Connection) -> None:
    job = job_of(connection)
    a, b = take(connection, job, "a"), take(connection, job, "b")
    batch = batches.create(connection, job, 5, [a, b], active=True)
    first, second = (make_due(connection, batch, "embed", part, [only]) for part, only in enumerate((a, b)))

    assert cancel_task(connection, first)[0] == 1
    assert states(connection, a, b) == ["cancelled", "queued"]
    assert ledger.is_open(connection, second)


def test_jobs_that_wait_for_the_same_document_are_named(connection: Connection) -> None:
    first, second = job_of(connection), job_of(connection)
    attempt = take(connection, first, "a")
    assert take(connection, second, "a") == attempt
    batch = batches.create(connection, first, 5, [attempt], active=True)

    number, waiting = cancel_task(connection, make_due(connection, batch, "extract"))
    assert (number, set(waiting)) == (1, {first, second})


def test_task_that_is_done_and_version_that_is_live_are_left_alone(connection: Connection) -> None:
    job = job_of(connection)
    attempt = take(connection, job, "a")
    batch = batches.create(connection, job, 5, [attempt], active=True)
    extract = make_due(connection, batch, "extract")
    assert ledger.claim(connection, extract, "me", ())
    assert ledger.finish(connection, extract, "me")
    assert cancel_task(connection, extract) == (0, [])
    assert states(connection, attempt) == ["queued"]

    row = connection.execute(sa.select(attempts_table).where(attempts_table.c.id == attempt)).one()
    live_versions.switch(connection, {row.document_id: row.version_id})
    finalize = make_due(connection, batch, "finalize")
    assert cancel_task(connection, finalize)[0] == 0
    assert states(connection, attempt) == ["queued"]


def test_finalize_of_cancelled_documents_is_still_published(connection: Connection) -> None:
    """It removes what they have left in the store and the spool."""
    job = job_of(connection)
    attempt = take(connection, job, "a")
    batch = batches.create(connection, job, 5, [attempt], active=True)
    assert cancel_task(connection, make_due(connection, batch, "finalize"))[0] == 1
    assert [task.revoked for task in open_tasks(connection)] == [False]


def test_task_of_no_batch_is_unknown(connection: Connection) -> None:
    with pytest.raises(UnknownId):
        cancel_task(connection, "0" * 36)


def test_task_knows_its_job(connection: Connection) -> None:
    job = job_of(connection)
    batch = batches.create(connection, job, 5, [take(connection, job, "a")], active=True)
    make_due(connection, batch, "extract")
    assert connection.exec_driver_sql("SELECT job_id FROM tasks").scalars().all() == [job]
    assert time.time() - open_tasks(connection)[0].since < 60
