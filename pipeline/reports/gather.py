"""Gather a report from the catalog: each figure by one query, lists cut at a bound."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.catalog import Connection
from pipeline.catalog.work import daily_metrics, jobs, report_figures, report_rows
from pipeline.catalog.work import status as read
from pipeline.catalog.work.report_figures import Group, Interval
from pipeline.catalog.work.report_scope import Scope
from pipeline.errors import UnknownId
from pipeline.names import STAGES
from pipeline.reports.query import ReportQuery
from pipeline.results import (
    DailyMetrics,
    Report,
    ReportedDocument,
    ReportedFailureCode,
    ReportedFormat,
    ReportedInterval,
    ReportedJob,
    ReportedOcr,
    ReportedPages,
    ReportedStage,
    ReportedThroughput,
    iso,
)

__all__ = ["LISTED", "find_scope", "gather", "iterate_documents"]

LISTED = 200
"""Failures and documents that a report lists; CSV and XLSX have all of them."""

MOST_DAYS = 400
"""Days of a report: a year, and a little more."""

INTERVALS = 60
"""Intervals of a throughput at most."""

LENGTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)


def find_scope(connection: Connection, query: ReportQuery, now: float) -> Scope:
    """The job, or the span, that a report is about.

    Raises:
        UnknownId: there is no such job.
        BadRequest: the times are none.
    """
    if query.job_id is None:
        return Scope(*query.span(now))
    kind, job_id = read.resolve_id(connection, query.job_id)
    row = jobs.row(connection, job_id) if kind == "job" else None
    if row is None:
        raise UnknownId(f"There is no job {query.job_id}.", "List the jobs with: docrelay jobs")
    return Scope(row.created_at, row.finished_at or max(now, row.created_at), job_id)


def gather(connection: Connection, scope: Scope) -> Report:
    """Gather the report of a job or a span."""
    groups = report_figures.count_groups(connection, scope)
    failed = report_figures.count_failures(connection, scope)
    states = _states(groups, 0 if scope.job_id is not None else sum(failed.values()))
    listed = [*map(_document, report_rows.iterate_documents(connection, scope, LISTED))][:LISTED]
    failures = [*map(_document, report_rows.iterate_failures(connection, scope, LISTED))]
    return Report(
        made_at=iso(time.time()) or "",
        job=_job(connection, scope.job_id),
        since=iso(scope.since) or "",
        until=iso(scope.until) or "",
        documents=sum(states.values()),
        states=states,
        bytes=sum(group.bytes for group in groups),
        pages=_pages(groups),
        chunks=sum(group.chunks for group in groups),
        ocr=_ocr(groups),
        formats=_formats(groups),
        failure_codes=[
            ReportedFailureCode(code=code, documents=number)
            for code, number in sorted(failed.items(), key=lambda item: (-item[1], item[0]))
        ],
        stages=_stages(connection, scope),
        throughput=_throughput(connection, scope),
        failures=failures,
        more_failures=max(sum(failed.values()) - len(failures), 0),
        documents_listed=listed,
        more_documents=max(_listable(scope, states) - len(listed), 0),
        days=_days(connection, scope),
    )


def iterate_documents(connection: Connection, scope: Scope) -> Iterator[ReportedDocument]:
    """Every document of a report, read some at a time."""
    return map(_document, report_rows.iterate_documents(connection, scope))


def interval_length(seconds: float) -> int:
    """The length of an interval, in seconds, so that a time has `INTERVALS` at most.

    >>> interval_length(90), interval_length(86_400), interval_length(365 * 86_400)
    (2, 1800, 604800)
    """
    fitting = (length for length in LENGTHS_S if math.ceil(seconds / length) <= INTERVALS)
    weeks = math.ceil(seconds / INTERVALS / 604_800) * 604_800
    return next(fitting, weeks)


def _states(groups: Iterable[Group], failed: int) -> dict[str, int]:
    """Documents by state, the most frequent first; `failed` are those that no group has."""
    numbers: dict[str, int] = {"failed": failed} if failed else {}
    for group in groups:
        numbers[group.state] = numbers.get(group.state, 0) + group.documents
    return dict(sorted(numbers.items(), key=lambda item: (-item[1], item[0])))


def _listable(scope: Scope, states: Mapping[str, int]) -> int:
    """How many documents the rows have: those of a span leave out what was unchanged or cancelled."""
    return sum(states.values()) if scope.job_id is not None else states.get("completed", 0) + states.get("failed", 0)


def _job(connection: Connection, job_id: str | None) -> ReportedJob | None:
    row = jobs.row(connection, job_id) if job_id is not None else None
    if row is None:
        return None
    return ReportedJob(
        id=row.id,
        state=row.outcome or ("running" if row.intake_done else "taking_in"),
        collection=row.collection,
        workflow=row.workflow,
        priority=row.priority,
        created_at=iso(row.created_at),
        finished_at=iso(row.finished_at),
    )


def _pages(groups: Sequence[Group]) -> ReportedPages:
    names = ("text", "ocr", "empty", "failed")
    return ReportedPages(**{name: sum(getattr(group, f"pages_{name}") for group in groups) for name in names})


def _ocr(groups: Sequence[Group]) -> ReportedOcr:
    known = sum(group.known_ocr_pages for group in groups)
    lowest = [group.lowest_confidence for group in groups if group.lowest_confidence is not None]
    return ReportedOcr(
        documents=sum(group.ocr_documents for group in groups),
        pages=sum(group.pages_ocr for group in groups),
        pages_with_confidence=known,
        mean_confidence=round(sum(group.confidence_sum for group in groups) / known, 4) if known else None,
        lowest_confidence=round(min(lowest), 4) if lowest else None,
    )


def _formats(groups: Iterable[Group]) -> list[ReportedFormat]:
    """Formats, the most frequent first."""
    found: dict[str | None, ReportedFormat] = {}
    for group in groups:
        before = found.get(group.media_type) or ReportedFormat(
            media_type=group.media_type, documents=0, bytes=0, pages=0, chunks=0
        )
        pages = group.pages_text + group.pages_ocr + group.pages_empty + group.pages_failed
        found[group.media_type] = ReportedFormat(
            media_type=group.media_type,
            documents=before.documents + group.documents,
            bytes=before.bytes + group.bytes,
            pages=before.pages + pages,
            chunks=before.chunks + group.chunks,
        )
    return sorted(found.values(), key=lambda of: (-of.documents, of.media_type or ""))


def _stages(connection: Connection, scope: Scope) -> list[ReportedStage]:
    """Built-in stages in the order of a document's way, then those of workflows by name."""
    found = report_figures.measure(connection, scope)
    names = [name for name in STAGES if name in found] + sorted(found.keys() - set(STAGES))
    return [ReportedStage(stage=name, **found[name]._asdict()) for name in names]


def _throughput(connection: Connection, scope: Scope) -> ReportedThroughput:
    seconds = scope.until - scope.since
    length = interval_length(seconds)
    found = report_figures.count_intervals(connection, scope, length)
    last = max([math.ceil(seconds / length) - 1, *(interval.number for interval in found)])
    by_number = {interval.number: interval for interval in found}
    filled = [by_number.get(number, Interval(number, 0, 0, 0)) for number in range(last + 1)]
    per_s = 1 / seconds if seconds > 0 else 0.0
    return ReportedThroughput(
        interval_s=length,
        documents_per_s=round(sum(interval.completed for interval in found) * per_s, 4),
        chunks_per_s=round(sum(interval.chunks for interval in found) * per_s, 4),
        intervals=[
            ReportedInterval(
                start=iso(scope.since + interval.number * length) or "",
                completed=interval.completed,
                failed=interval.failed,
                chunks=interval.chunks,
            )
            for interval in (filled if found else [])
        ],
    )


def _document(row: Mapping[str, Any]) -> ReportedDocument:
    seconds, confidence = row["seconds"], row["ocr_confidence"]
    measured = {
        "source": row["source"] or "",
        "seconds": None if seconds is None else round(max(seconds, 0.0), 3),
        "ocr_confidence": None if confidence is None else round(confidence, 4),
        "ended_at": iso(row["ended_at"]),
    }
    return ReportedDocument(**{**row, **measured})


def _days(connection: Connection, scope: Scope) -> list[DailyMetrics]:
    """The stored numbers of the days of a span; a job has none."""
    if scope.job_id is not None:
        return []
    return [
        DailyMetrics.of(row) for row in daily_metrics.list_days_within(connection, scope.since, scope.until, MOST_DAYS)
    ]
