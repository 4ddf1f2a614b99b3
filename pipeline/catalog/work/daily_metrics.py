"""The numbers of a day: documents, chunks, failures by code, pages read by OCR, and how long tasks took by stage.

They are computed from events, attempts and the ledger as long as these are kept, and stored in a row for good.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, daily_metrics, events, reindexes, tasks, versions
from pipeline.catalog.work.stage_durations import measure_stages

__all__ = [
    "Day",
    "compute",
    "count_events",
    "count_failures",
    "first_event",
    "is_reindex",
    "list_days",
    "list_days_within",
    "store",
    "stored_until",
]


class Day(NamedTuple):
    """A day of the local time: its date as YYYY-MM-DD, and from when to when it lasts, in seconds since 1970."""

    date: str
    start: float
    end: float


def stored_until(connection: Connection) -> float | None:
    """The end of the last day whose numbers are stored."""
    end: float | None = connection.scalar(sa.select(sa.func.max(daily_metrics.c.ended_at)))
    return end


def first_event(connection: Connection) -> float | None:
    """The time of the oldest event that is kept."""
    at: float | None = connection.scalar(sa.select(sa.func.min(events.c.at)))
    return at


def list_days(connection: Connection, since: str, limit: int) -> list[dict[str, Any]]:
    """Days from this date on whose numbers are stored, the newest of them, oldest first."""
    newest = sa.select(daily_metrics).where(daily_metrics.c.day >= since)
    rows = connection.execute(newest.order_by(daily_metrics.c.day.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows][::-1]


def list_days_within(
    connection: Connection, since: float, until: float, limit: int | None = None
) -> list[dict[str, Any]]:
    """Days whose numbers are stored and that overlap this time, the newest of them, oldest first."""
    overlapping = sa.select(daily_metrics).where(daily_metrics.c.ended_at > since, daily_metrics.c.started_at < until)
    rows = connection.execute(overlapping.order_by(daily_metrics.c.day.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows][::-1]


def store(connection: Connection, numbers: dict[str, Any]) -> None:
    """Store the numbers of a day in place of older ones."""
    connection.execute(daily_metrics.delete().where(daily_metrics.c.day == numbers["day"]))
    connection.execute(daily_metrics.insert().values(**numbers, computed_at=time.time()))


def compute(connection: Connection, day: Day) -> dict[str, Any]:
    """Compute the numbers of a day; a document counts as often as it was ingested that day.

    Returns:
        The columns of its row: `failures` are {code: documents}, `stages` are {stage: {tasks, p50_s, p95_s}} of the
        tasks that ended that day, with the seconds from a task's last start to its end.
    """
    failed = count_failures(connection, day)
    documents, chunks, pages_ocr = _completed(connection, day)
    return {
        "day": day.date,
        "started_at": day.start,
        "ended_at": day.end,
        "documents": documents,
        "unchanged": count_events(connection, day, "document.unchanged"),
        "failed": sum(failed.values()),
        "failures": failed,
        "chunks": chunks,
        "pages_ocr": pages_ocr,
        "stages": _stages(connection, day),
    }


def _completed(connection: Connection, day: Day) -> tuple[int, int, int]:
    """Documents that were completed, their chunks, and their pages that OCR has read."""
    query = (
        sa.select(sa.func.count(), sa.func.sum(versions.c.chunks), sa.func.sum(versions.c.pages_ocr))
        .select_from(attempts.join(versions, versions.c.id == attempts.c.version_id))
        .where(attempts.c.state == "completed", *_within(attempts.c.finished_at, day), ~is_reindex(attempts.c.job_id))
    )
    documents, chunks, pages_ocr = connection.execute(query).one()
    return documents, int(chunks or 0), int(pages_ocr or 0)


def count_failures(connection: Connection, day: Day) -> dict[str, int]:
    """Documents that failed, those that intake refused too, by code."""
    code = events.c.data["code"].as_string().label("code")
    failed = (events.c.kind == "document.failed", *_within(events.c.at, day), ~is_reindex(events.c.job_id))
    query = sa.select(code, sa.func.count()).where(*failed)
    return {str(found or "unknown"): number for found, number in connection.execute(query.group_by(code)).all()}


def count_events(connection: Connection, day: Day, kind: str, *where: sa.ColumnElement[bool]) -> int:
    """Count the events of a kind that meet the conditions."""
    query = sa.select(sa.func.count()).where(events.c.kind == kind, *_within(events.c.at, day), *where)
    return connection.scalar(query) or 0


def _stages(connection: Connection, day: Day) -> dict[str, dict[str, float]]:
    found = measure_stages(connection, _within(tasks.c.finished_at, day))
    return {
        stage: {"tasks": durations.tasks, "p50_s": durations.p50_s, "p95_s": durations.p95_s}
        for stage, durations in found.items()
    }


def is_reindex(job_id: sa.Column[str]) -> sa.ColumnElement[bool]:
    """The condition that a job is a re-index, which ingests nothing new."""
    return sa.exists().where(reindexes.c.job_id == job_id)


def _within(column: sa.Column[float], day: Day) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return column >= day.start, column < day.end
