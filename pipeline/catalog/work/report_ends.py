"""Documents of a span that failed or were unchanged, also where their events are not kept any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, events, jobs, tasks
from pipeline.catalog.work import daily_metrics
from pipeline.catalog.work.daily_metrics import Day
from pipeline.catalog.work.report_scope import Scope

__all__ = ["Gap", "SpanEnds", "count_ends", "find_gaps", "stages_gone_until"]

Gap = tuple[float, float]
"""A part of a span, in seconds since 1970."""


class SpanEnds(NamedTuple):
    """The documents of a span that were unchanged, and those that failed, by code.

    `listed` of the failed ones still have their events. `gaps` are the parts of the span about which nothing is known:
    their events are gone, and the numbers of their days are not stored, or the span does not have the whole day.
    """

    unchanged: int
    failed: dict[str, int]
    listed: int
    gaps: list[Gap]


def count_ends(connection: Connection, scope: Scope) -> SpanEnds:
    """Count by events as far back as these are kept, and before that by the stored numbers of whole days."""
    kept_from = daily_metrics.first_event(connection)
    if kept_from is None:
        kept_from = scope.until
    days = _whole_days(connection, scope, kept_from)
    counted_from = max([scope.since, *(day["ended_at"] for day in days)])
    by_events = Day("", counted_from, scope.until)
    failed = daily_metrics.count_failures(connection, by_events)
    is_new = ~daily_metrics.is_reindex(events.c.job_id)
    unchanged = daily_metrics.count_events(connection, by_events, "document.unchanged", is_new)
    spans = [(day["started_at"], day["ended_at"]) for day in days]
    gaps = find_gaps(scope.since, min(kept_from, scope.until), spans)
    return SpanEnds(
        unchanged + sum(day["unchanged"] for day in days),
        dict(sum((Counter(day["failures"]) for day in days), Counter(failed))),
        daily_metrics.count_events(connection, Day("", scope.since, scope.until), "document.failed", is_new),
        [gap for gap in gaps if _had_ends(connection, *gap)],
    )


def find_gaps(since: float, until: float, days: Sequence[Gap]) -> list[Gap]:
    """The parts of a time that no day covers; days are in their order.

    >>> find_gaps(0, 100, [(10, 20), (20, 30), (50, 120)])
    [(0, 10), (30, 50)]
    """
    ends = [since, *(end for _, end in days)]
    begins = [*(begin for begin, _ in days), until]
    return [(end, begin) for end, begin in zip(ends, begins, strict=True) if end < begin]


def stages_gone_until(connection: Connection, scope: Scope) -> float | None:
    """The newest end of a document whose tasks are not kept any more; None if those of all documents are."""
    is_kept = sa.exists().where(tasks.c.batch_id == attempts.c.batch_id)
    query = (
        sa.select(attempts.c.finished_at)
        .select_from(scope.attempts)
        .where(*scope.attempts_in("completed"), attempts.c.batch_id.is_not(None), ~is_kept)
        .order_by(attempts.c.finished_at.desc())
    )
    at: float | None = connection.scalar(query.limit(1))
    return at


def _whole_days(connection: Connection, scope: Scope, kept_from: float) -> list[dict[str, Any]]:
    """The stored days that the span has as a whole and that began before this time, oldest first."""
    days = daily_metrics.list_days_within(connection, scope.since, min(scope.until, kept_from))
    return [day for day in days if scope.since <= day["started_at"] and day["ended_at"] <= scope.until]


def _had_ends(connection: Connection, since: float, until: float) -> bool:
    """Whether documents or jobs ended in a time, which are kept longer than their events."""
    in_state = attempts.c.state.in_(("completed", "failed"))
    documents = sa.select(attempts.c.id).where(in_state, *_within(attempts.c.finished_at, since, until))
    ended_jobs = sa.select(jobs.c.id).where(*_within(jobs.c.finished_at, since, until))
    return any(connection.scalar(query.limit(1)) is not None for query in (documents, ended_jobs))


def _within(column: sa.Column[float], since: float, until: float) -> tuple[sa.ColumnElement[bool], ...]:
    return column >= since, column < until
