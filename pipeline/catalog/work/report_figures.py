"""The figures of a report: documents by state and format, failures by code, durations by stage, throughput.

Each is one query that groups; none reads the rows into memory, however many documents there are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, submissions, tasks, versions
from pipeline.catalog.work.report_scope import Scope
from pipeline.catalog.work.stage_durations import Durations, measure_stages

__all__ = [
    "Group",
    "Interval",
    "count_failures",
    "count_groups",
    "count_intervals",
    "count_joined",
    "measure",
    "unread",
]

MS = 1000


class Group(NamedTuple):
    """Documents of one state and one format (None: not read), their bytes, pages and chunks.

    `ocr_documents` have pages that OCR has read. `known_ocr_pages` are those of documents whose confidence is known,
    `confidence_sum` is their sum, and `lowest_confidence` that of the document that OCR was least sure of.
    """

    state: str
    media_type: str | None
    documents: int
    bytes: int
    pages_text: int
    pages_ocr: int
    pages_empty: int
    pages_failed: int
    chunks: int
    ocr_documents: int
    known_ocr_pages: int
    confidence_sum: float
    lowest_confidence: float | None


class Interval(NamedTuple):
    """What ended in one of the equally long parts of a time, counted from 0."""

    number: int
    completed: int
    failed: int
    chunks: int


def unread(state: str, documents: int) -> Group:
    """Documents that were not read."""
    return Group(state, None, documents, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, None)


def count_groups(connection: Connection, scope: Scope) -> list[Group]:
    """Count documents by state and format: all of a job, or of a span those that were completed or cancelled."""
    if scope.job_id is not None:
        state = sa.func.coalesce(submissions.c.outcome, attempts.c.state, "queued")
        tables = submissions.outerjoin(attempts, attempts.c.id == submissions.c.attempt_id)
        return _grouped(connection, state, submissions.c.size, tables, [scope.submitted()])
    # A newer version has taken the place of a superseded one: the document has not ended with it.
    is_over = sa.or_(attempts.c.code.is_(None), attempts.c.code != "superseded")
    where = [*scope.attempts_in("completed", "cancelled"), is_over]
    return _grouped(connection, attempts.c.state, attempts.c.size, attempts, where)


def count_joined(connection: Connection, scope: Scope) -> int:
    """Count the documents of a job that another job was ingesting already: their tasks are those of that job."""
    tables = submissions.join(attempts, attempts.c.id == submissions.c.attempt_id)
    query = sa.select(sa.func.count()).select_from(tables)
    return connection.scalar(query.where(scope.submitted(), attempts.c.job_id != scope.job_id)) or 0


def count_failures(connection: Connection, scope: Scope) -> dict[str, int]:
    """Count the documents of a job that failed by code, those that intake refused too."""
    failed = (scope.submitted(), submissions.c.outcome == "failed")
    query = sa.select(submissions.c.code, sa.func.count()).where(*failed).group_by(submissions.c.code)
    return {str(code or "unknown"): number for code, number in connection.execute(query).all()}


def measure(connection: Connection, scope: Scope) -> dict[str, Durations]:
    """The durations of the tasks that ended, by stage."""
    if scope.job_id is not None:
        return measure_stages(connection, [tasks.c.job_id == scope.job_id])
    return measure_stages(connection, [tasks.c.finished_at >= scope.since, tasks.c.finished_at < scope.until])


def count_intervals(connection: Connection, scope: Scope, length_s: int) -> list[Interval]:
    """Count what workers completed and what failed there, by intervals of `length_s` seconds; none is empty."""
    # Whole milliseconds: the databases divide them alike. A clock that was set back may have made an earlier end.
    elapsed = sa.cast((attempts.c.finished_at - scope.since) * MS, sa.BigInteger)
    number = sa.case((elapsed < 0, 0), else_=elapsed // (length_s * MS)).label("number")
    is_completed = attempts.c.state == "completed"
    query = (
        sa.select(
            number,
            sa.func.sum(sa.case((is_completed, 1), else_=0)),
            sa.func.sum(sa.case((is_completed, 0), else_=1)),
            sa.func.sum(sa.case((is_completed, attempts.c.chunks_total), else_=0)),
        )
        .select_from(scope.attempts)
        .where(*scope.attempts_in("completed", "failed"))
        .group_by(number)
        .order_by(number)
    )
    return [Interval(*(int(value) for value in row)) for row in connection.execute(query)]


def _grouped(
    connection: Connection,
    state: sa.ColumnElement[Any],
    size: sa.ColumnElement[Any],
    tables: sa.FromClause,
    where: list[sa.ColumnElement[bool]],
) -> list[Group]:
    """Documents by state and format; the pages and chunks are those of completed ones."""
    sums = {"documents": sa.func.count(), "bytes": sa.func.sum(size), **_sums(state == "completed")}
    lowest = sa.func.min(sa.case((state == "completed", versions.c.ocr_confidence)))
    columns = (*(column.label(name) for name, column in sums.items()), lowest.label("lowest_confidence"))
    query = (
        sa.select(state.label("state"), versions.c.media_type, *columns)
        .select_from(tables.outerjoin(versions, versions.c.id == attempts.c.version_id))
        .where(*where)
        .group_by(state, versions.c.media_type)
    )
    return [_group(row) for row in connection.execute(query).mappings()]


def _sums(counts: sa.ColumnElement[bool]) -> dict[str, sa.ColumnElement[Any]]:
    names = ("pages_text", "pages_ocr", "pages_empty", "pages_failed", "chunks")
    confidence, pages = versions.c.ocr_confidence, versions.c.pages_ocr
    values = {
        **{name: versions.c[name] for name in names},
        "ocr_documents": sa.case((pages > 0, 1), else_=0),
        "known_ocr_pages": sa.case((confidence.is_not(None), pages), else_=0),
        "confidence_sum": sa.case((confidence.is_not(None), confidence * pages), else_=0.0),
    }
    return {name: sa.func.sum(sa.case((counts, value), else_=0)) for name, value in values.items()}


def _group(row: sa.RowMapping) -> Group:
    """The group of a row; the sums are decimals on PostgreSQL, and null where nothing was summed up."""
    texts = ("state", "media_type", "lowest_confidence")
    numbers = {name: row[name] or 0 for name in Group._fields if name not in texts}
    values: dict[str, Any] = {**{name: row[name] for name in texts}, **{name: int(numbers[name]) for name in numbers}}
    return Group(**values | {"confidence_sum": float(numbers["confidence_sum"])})
