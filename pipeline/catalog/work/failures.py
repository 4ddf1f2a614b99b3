"""Open failures, the dead letters: why documents failed that did not succeed since. At most one per document."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, documents, failures, reindexes, submissions
from pipeline.catalog.work.fatal_attempts import FATAL, count_fatal
from pipeline.errors import Quarantined
from pipeline.errors.problem import Problem
from pipeline.errors.trace import Trace

__all__ = [
    "Failure",
    "count_of_documents",
    "count_of_job",
    "delete_of_documents",
    "forget_readings",
    "has_failure",
    "hint_column",
    "jobs_of_documents",
    "list_of_job",
    "quarantined_sources",
    "record",
    "sources_with_reading",
    "submitting_jobs",
]

QUARANTINE_HINT = "See why with: docrelay failures show; try it once more with: docrelay failures retry"


@dataclass(frozen=True, slots=True)
class Failure:
    """In which stage a document failed, and why.

    `reading` names the way in which the file was read, where reading it in the same way can only fail again. `trace` is
    where in the program an unexpected error was raised.
    """

    stage: str
    problem: Problem
    reading: str | None = None
    trace: Trace | None = None


def record(connection: Connection, job_id: str, document_id: str, failure: Failure) -> None:
    """Record the failure of a document in place of an older one."""
    document = connection.execute(
        sa.select(documents.c.collection, documents.c.source).where(documents.c.id == document_id)
    ).one()
    connection.execute(failures.delete().where(failures.c.document_id == document_id))
    connection.execute(
        failures.insert().values(
            id=document_id,
            job_id=job_id,
            document_id=document_id,
            collection=document.collection,
            source=document.source,
            stage=failure.stage,
            code=failure.problem.code,
            message=failure.problem.message,
            hint=failure.problem.hint,
            transient=failure.problem.transient,
            reading=failure.reading,
            created_at=time.time(),
            fatal_attempts=count_fatal(connection, document_id) if failure.problem.code in FATAL else 0,
        )
    )


def list_of_job(connection: Connection, job_id: str) -> list[dict[str, Any]]:
    """List what failed in a job: source, code, message, and the hint where the failure is still open."""
    rows = connection.execute(
        sa.select(submissions.c.source, submissions.c.code, submissions.c.message, hint_column())
        .outerjoin(failures, has_failure())
        .where(submissions.c.job_id == job_id, submissions.c.outcome == "failed")
        .order_by(submissions.c.source)
    ).mappings()
    return [{**row, "hint": row["hint"] or ""} for row in rows]


def has_failure() -> sa.ColumnElement[bool]:
    """The condition that joins a submission with the open failure that it ended with."""
    return sa.and_(failures.c.document_id == submissions.c.document_id, failures.c.code == submissions.c.code)


def hint_column() -> sa.Label[Any]:
    """The hint of a submission that failed, joined by `has_failure`; of one left in quarantine, the command for it."""
    command = sa.literal(f"{QUARANTINE_HINT} ") + submissions.c.document_id + sa.literal(" --force")
    is_left = submissions.c.code == Quarantined.code
    return sa.case((is_left, command), else_=failures.c.hint).label("hint")


def delete_of_documents(connection: Connection, document_ids: Collection[str]) -> None:
    """Delete the failures of these documents."""
    for ids in split_list(document_ids):
        connection.execute(failures.delete().where(failures.c.document_id.in_(ids)))


def count_of_documents(connection: Connection, document_ids: Collection[str]) -> int:
    """Count those of these documents that have an open failure."""
    query = sa.select(sa.func.count()).select_from(failures)
    return sum(
        connection.execute(query.where(failures.c.document_id.in_(ids))).scalar_one()
        for ids in split_list(document_ids)
    )


def count_of_job(connection: Connection, job_id: str) -> int:
    """Count the documents that failed in a job and are not cured yet."""
    return connection.scalar(sa.select(sa.func.count()).where(failures.c.job_id == job_id)) or 0


def sources_with_reading(connection: Connection, collection: str, reading: str, sources: Collection[str]) -> set[str]:
    """Those of these sources whose documents failed when they were read in this way."""
    if not sources:
        return set()
    query = sa.select(failures.c.source).where(
        failures.c.collection == collection, failures.c.source.in_(sources), failures.c.reading == reading
    )
    return set(connection.scalars(query))


def quarantined_sources(
    connection: Connection, collection: str, sources: Collection[str], quarantine_after: int
) -> set[str]:
    """Those of these sources whose documents have at least so many fatal attempts; none if `quarantine_after` is 0."""
    if not sources or not quarantine_after:
        return set()
    query = sa.select(failures.c.source).where(
        failures.c.collection == collection,
        failures.c.source.in_(sources),
        failures.c.fatal_attempts >= quarantine_after,
    )
    return set(connection.scalars(query))


def forget_readings(connection: Connection, document_ids: Collection[str]) -> None:
    """Let these documents be read again in the way that failed: intake must not answer from memory.

    They leave quarantine, too, until they fail as before.
    """
    for ids in split_list(document_ids):
        forgotten = failures.update().where(failures.c.document_id.in_(ids))
        connection.execute(forgotten.values(reading=None, fatal_attempts=0))


def jobs_of_documents(connection: Connection, document_ids: Collection[str]) -> dict[str, str]:
    """The jobs in which documents failed: {document id: job id}."""
    jobs: dict[str, str] = {}
    for ids in split_list(document_ids):
        query = sa.select(failures.c.document_id, failures.c.job_id).where(failures.c.document_id.in_(ids))
        jobs |= {row.document_id: row.job_id for row in connection.execute(query)}
    return jobs


def submitting_jobs(connection: Connection, document_ids: Collection[str]) -> dict[str, str]:
    """Of documents that failed in a re-index, the jobs that submitted them: {document id: job id}.

    A re-index has neither a workflow nor files of its own.
    """
    jobs: dict[str, str] = {}
    other = reindexes.alias()
    of_reindex = sa.exists().where(other.c.job_id == attempts.c.job_id)
    for ids in split_list(document_ids):
        rows = connection.execute(
            sa.select(failures.c.document_id, attempts.c.job_id)
            .join(reindexes, reindexes.c.job_id == failures.c.job_id)
            .join(attempts, attempts.c.document_id == failures.c.document_id)
            .where(failures.c.document_id.in_(ids), ~of_reindex)
            .order_by(attempts.c.number)
        )
        jobs |= {row.document_id: row.job_id for row in rows}
    return jobs
