"""Jobs: what users submitted, with which workflow and priority, and when it is done."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from extractors.options import OcrMode
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, batches, jobs, orders, reindexes, submissions
from pipeline.catalog.work import events, notices, outbox
from pipeline.plan import PLAIN, Plan
from pipeline.results import JobState
from pipeline.types import NamedPaths

__all__ = [
    "Job",
    "JobTerms",
    "count_outcomes",
    "create",
    "ended_as",
    "exists",
    "finish_if_complete",
    "finish_intake",
    "finish_jobs_of_attempts",
    "get",
    "is_cancelled",
    "is_unfinished",
    "keep_open",
    "named_paths",
    "newest",
    "of_documents",
    "open_for_uploads",
    "reopen",
    "row",
    "set_expected_bytes",
    "terms",
    "unfinished",
    "with_active_batches",
    "with_open_intake",
]

CLOCKS_DIFFER_S = 60.0
"""The clocks of two hosts differ by less."""

OVERHEAD_BYTES = 2048
"""Bytes that a document counts in a job's progress on top of its own: even an empty file is work."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is fixed when a job is created, however its workflow changes later; the priority is 1 to 10.

    `ocr`: which pages of its documents are read by OCR; None as the settings say. `trace`: the `traceparent` of the
    request that made it; None where traces are off or no request did.
    """

    collection: str
    workflow: str
    priority: int
    plan: Plan = PLAIN
    ocr: OcrMode | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    trace: str | None = None


def create(
    connection: Connection,
    job: Job,
    request_id: str,
    bytes_expected: int,
    *,
    named: NamedPaths | None = None,
    closed: bool = False,
) -> Job:
    """Record a job.

    Args:
        connection: a writing transaction.
        job: the job.
        request_id: what log lines about it carry.
        bytes_expected: what its documents weigh.
        named: the paths that the user named; they hold however late a file is read again.
        closed: all of its documents come in the same transaction.
    """
    named = named or NamedPaths()
    row = {
        "id": job.id,
        "collection": job.collection,
        "workflow": job.workflow,
        "plan": job.plan.to_json(),
        "priority": job.priority,
        "request_id": request_id,
        "created_at": time.time(),
        "intake_done": closed,
        "bytes_expected": bytes_expected,
        "fraction": 0.0,
        "samples": [],
        "paths": None if named.paths is None else list(named.paths),
        "confined": named.confined,
        "ocr": job.ocr,
        "trace": job.trace,
    }
    connection.execute(jobs.insert(), row)
    events.add(connection, "job.created", [(job.id, None)])
    return job


def get(connection: Connection, job_id: str) -> Job:
    """A job by its id; it must exist."""
    columns = (jobs.c.collection, jobs.c.workflow, jobs.c.priority, jobs.c.plan, jobs.c.ocr, jobs.c.trace)
    row = connection.execute(sa.select(*columns).where(jobs.c.id == job_id)).one()
    return Job(row.collection, row.workflow, row.priority, Plan.from_json(row.plan), row.ocr, job_id, row.trace)


def named_paths(connection: Connection, job_ids: Collection[str]) -> dict[str, NamedPaths]:
    """The paths that users named for these jobs, by job."""
    by_job: dict[str, NamedPaths] = {}
    for group in split_list(job_ids):
        rows = connection.execute(sa.select(jobs.c.id, jobs.c.paths, jobs.c.confined).where(jobs.c.id.in_(group)))
        by_job |= {row.id: NamedPaths(None if row.paths is None else tuple(row.paths), row.confined) for row in rows}
    return by_job


class JobTerms(NamedTuple):
    """What a job was submitted with: its workflow with the parameters that were given, and its OCR mode."""

    workflow: str
    parameters: Mapping[str, Any]
    ocr: OcrMode | None


def terms(connection: Connection, job_ids: Collection[str]) -> dict[str, JobTerms]:
    """What these jobs were submitted with, by job."""
    by_job: dict[str, JobTerms] = {}
    columns = (jobs.c.id, jobs.c.workflow, jobs.c.plan, jobs.c.ocr)
    for group in split_list(job_ids):
        rows = connection.execute(sa.select(*columns).where(jobs.c.id.in_(group)))
        by_job |= {row.id: JobTerms(row.workflow, Plan.from_json(row.plan).told, row.ocr) for row in rows}
    return by_job


def row(connection: Connection, job_id: str) -> sa.Row[Any] | None:
    """The row of a job; None if there is no job with this id."""
    return connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).one_or_none()


def newest(connection: Connection, limit: int) -> dict[str, tuple[object, ...]]:
    """The jobs that were created last, newest first, `limit` of them at most: {id: what its state follows from}."""
    columns = (jobs.c.id, jobs.c.intake_done, jobs.c.cancelled_at, jobs.c.finished_at)
    rows = connection.execute(sa.select(*columns).order_by(jobs.c.created_at.desc()).limit(limit))
    return {row.id: tuple(row[1:]) for row in rows}


def is_unfinished(connection: Connection, job_id: str) -> bool:
    """Whether the job exists and has not ended."""
    query = sa.select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.finished_at.is_(None))
    return connection.scalar(query) is not None


def is_cancelled(connection: Connection, job_id: str) -> bool:
    """Whether the job was cancelled."""
    return connection.scalar(sa.select(jobs.c.cancelled_at).where(jobs.c.id == job_id)) is not None


def with_open_intake(connection: Connection, before: float) -> list[str]:
    """Jobs created before this time whose intake is still open.

    One that seems to be created in the future was so before the clock was set back.

    Left out are those that the API will ingest, those that wait for further uploads, and those of re-indexes, which
    end their intake themselves.
    """
    ordered = sa.exists().where(orders.c.job_id == jobs.c.id, orders.c.taken_at.is_(None))
    fed = sa.exists().where(reindexes.c.job_id == jobs.c.id)
    now = time.time()
    waits = sa.func.coalesce(jobs.c.open_until, 0.0) > now
    is_old = sa.or_(jobs.c.created_at < before, jobs.c.created_at > now + CLOCKS_DIFFER_S)
    query = sa.select(jobs.c.id).where(~jobs.c.intake_done, is_old, ~ordered, ~fed, ~waits)
    return list(connection.scalars(query))


def set_expected_bytes(connection: Connection, job_id: str, bytes_expected: int) -> None:
    """Set the bytes of all documents of a job, once they are known."""
    connection.execute(jobs.update().where(jobs.c.id == job_id).values(bytes_expected=bytes_expected))


def reopen(connection: Connection, job_id: str) -> None:
    """Let a job take documents again though its intake was closed: it had paused and goes on."""
    connection.execute(
        jobs.update()
        .where(jobs.c.id == job_id, jobs.c.intake_done)
        .values(intake_done=False, finished_at=None, outcome=None, outcomes=None)
    )


def keep_open(connection: Connection, job_id: str, seconds: float) -> None:
    """Keep a job open for further requests for so many seconds; then it is closed."""
    connection.execute(jobs.update().where(jobs.c.id == job_id).values(open_until=time.time() + seconds))


def open_for_uploads(connection: Connection, job_id: str) -> sa.Row[Any] | None:
    """The row of a job that waits for further uploads; None if it does not, or does not exist."""
    waiting = (jobs.c.open_until.is_not(None), ~jobs.c.intake_done, jobs.c.cancelled_at.is_(None))
    return connection.execute(sa.select(jobs).where(jobs.c.id == job_id, *waiting)).one_or_none()


def of_documents(connection: Connection, document_ids: Collection[str]) -> dict[str, str]:
    """The job by which each of these documents came in last; re-indexes are left out: {document id: job id}."""
    of_reindex = sa.exists().where(reindexes.c.job_id == attempts.c.job_id)
    found: dict[str, str] = {}
    for ids in split_list(document_ids):
        query = sa.select(attempts.c.document_id, attempts.c.job_id).where(attempts.c.document_id.in_(ids), ~of_reindex)
        found |= {row.document_id: row.job_id for row in connection.execute(query.order_by(attempts.c.number))}
    return found


def finish_intake(connection: Connection, job_id: str) -> None:
    """Close a job to further documents."""
    connection.execute(jobs.update().where(jobs.c.id == job_id).values(intake_done=True, open_until=None))
    finish_if_complete(connection, job_id)


def finish_jobs_of_attempts(connection: Connection, attempt_ids: Sequence[str]) -> None:
    """Finish the jobs that waited for these attempts and for nothing else."""
    waiting: set[str] = set()
    for group in split_list(attempt_ids):
        query = sa.select(submissions.c.job_id).where(submissions.c.attempt_id.in_(group)).distinct()
        waiting |= set(connection.scalars(query))
    for job_id in sorted(waiting):
        finish_if_complete(connection, job_id)


def finish_if_complete(connection: Connection, job_id: str) -> None:
    """Finish a job when all its documents have an outcome."""
    is_open = sa.select(submissions.c.job_id).where(submissions.c.job_id == job_id, submissions.c.outcome.is_(None))
    reached = sa.case((jobs.c.cancelled_at.is_(None), 1.0), else_=jobs.c.fraction)
    finished = connection.execute(
        jobs.update()
        .where(jobs.c.id == job_id, jobs.c.intake_done, jobs.c.finished_at.is_(None), ~sa.exists(is_open))
        .values(finished_at=time.time(), fraction=reached)
    )
    if finished.rowcount:
        _store_outcome(connection, job_id)
        events.add(connection, "job.finished", [(job_id, None)])
        outbox.enqueue(connection, job_id)
        notices.add(connection, "job.finished", job_id, "info")


def _store_outcome(connection: Connection, job_id: str) -> None:
    """Store how a job ended, by the outcomes of its documents."""
    outcomes = count_outcomes(connection, [job_id]).get(job_id, {})
    cancelled_at = connection.scalar(sa.select(jobs.c.cancelled_at).where(jobs.c.id == job_id))
    outcome = "cancelled" if cancelled_at is not None else ended_as(outcomes)
    connection.execute(jobs.update().where(jobs.c.id == job_id).values(outcome=outcome, outcomes=outcomes))


def count_outcomes(connection: Connection, job_ids: Collection[str]) -> dict[str, dict[str | None, int]]:
    """Documents of these jobs by their outcome, None for those without one yet: {job id: {outcome: number}}."""
    counts: dict[str, dict[str | None, int]] = {}
    for group in split_list(job_ids):
        key = (submissions.c.job_id, submissions.c.outcome)
        query = sa.select(*key, sa.func.count()).where(submissions.c.job_id.in_(group)).group_by(*key)
        for job_id, outcome, number in connection.execute(query):
            counts.setdefault(job_id, {})[outcome] = number
    return counts


def ended_as(outcomes: Mapping[Any, int]) -> JobState:
    """How a job has ended that was not cancelled: `partial` if some of its documents failed and others did not."""
    failed = outcomes.get("failed", 0)
    if not failed:
        return "completed"
    return "failed" if failed == sum(outcomes.values()) else "partial"


def exists(connection: Connection, job_id: str) -> bool:
    """Whether a job has this id."""
    return connection.scalar(sa.select(jobs.c.id).where(jobs.c.id == job_id)) is not None


def unfinished(connection: Connection) -> list[str]:
    """Jobs that are not finished, oldest first."""
    query = sa.select(jobs.c.id).where(jobs.c.finished_at.is_(None)).order_by(jobs.c.created_at)
    return list(connection.scalars(query))


def with_active_batches(connection: Connection) -> list[str]:
    """Unfinished jobs with active batches: as many as are admitted, however many wait."""
    query = sa.select(jobs.c.id).join(batches, batches.c.job_id == jobs.c.id)
    return list(connection.scalars(query.where(batches.c.state == "active", jobs.c.finished_at.is_(None)).distinct()))
