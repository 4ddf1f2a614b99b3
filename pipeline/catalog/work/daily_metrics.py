"""The numbers of a day: documents, chunks, failures by code, pages read by OCR, and how long tasks took by stage.

They are computed from events, attempts and the ledger as long as these are kept, and stored in a row for good.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, daily_metrics, events, reindexes, tasks, versions

__all__ = ["Day", "compute", "first_event", "list_days", "store", "stored_until"]

QUANTILES = {"p50_s": 0.5, "p95_s": 0.95}


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
    failed = _failures(connection, day)
    documents, chunks, pages_ocr = _completed(connection, day)
    return {
        "day": day.date,
        "started_at": day.start,
        "ended_at": day.end,
        "documents": documents,
        "unchanged": _count_events(connection, day, "document.unchanged"),
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
        .where(attempts.c.state == "completed", *_within(attempts.c.finished_at, day), ~_is_reindex(attempts.c.job_id))
    )
    documents, chunks, pages_ocr = connection.execute(query).one()
    return documents, int(chunks or 0), int(pages_ocr or 0)


def _failures(connection: Connection, day: Day) -> dict[str, int]:
    """Documents that failed, those that intake refused too, by code."""
    code = events.c.data["code"].as_string().label("code")
    failed = (events.c.kind == "document.failed", *_within(events.c.at, day), ~_is_reindex(events.c.job_id))
    query = sa.select(code, sa.func.count()).where(*failed)
    return {str(found or "unknown"): number for found, number in connection.execute(query.group_by(code)).all()}


def _count_events(connection: Connection, day: Day, kind: str) -> int:
    query = sa.select(sa.func.count()).where(events.c.kind == kind, *_within(events.c.at, day))
    return connection.scalar(query) or 0


def _stages(connection: Connection, day: Day) -> dict[str, dict[str, float]]:
    ended = (tasks.c.state == "done", tasks.c.started_at.is_not(None), *_within(tasks.c.finished_at, day))
    counted = connection.execute(sa.select(tasks.c.stage, sa.func.count()).where(*ended).group_by(tasks.c.stage)).all()
    return {
        stage: {"tasks": number, **_quantiles(connection, (*ended, tasks.c.stage == stage), number)}
        for stage, number in sorted((row[0], row[1]) for row in counted)
    }


def _quantiles(connection: Connection, where: Sequence[sa.ColumnElement[bool]], number: int) -> dict[str, float]:
    """The duration that half of the tasks, and 95 of 100, do not exceed: by the nearest rank."""
    seconds = (tasks.c.finished_at - tasks.c.started_at).label("seconds")
    ordered = sa.select(seconds).where(*where).order_by(seconds)
    found = {}
    for name, share in QUANTILES.items():
        value = connection.scalar(ordered.offset(max(math.ceil(share * number) - 1, 0)).limit(1))
        # A clock that was set back between start and end.
        found[name] = round(max(value or 0.0, 0.0), 6)
    return found


def _is_reindex(job_id: sa.Column[str]) -> sa.ColumnElement[bool]:
    """The condition that a job is a re-index, which ingests nothing new."""
    return sa.exists().where(reindexes.c.job_id == job_id)


def _within(column: sa.Column[float], day: Day) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return column >= day.start, column < day.end
