"""Gather a report from the catalog: each figure by one query, lists cut at a bound."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.catalog import Connection
from pipeline.catalog.work import daily_metrics, jobs, report_ends, report_figures, report_rows
from pipeline.catalog.work import status as read
from pipeline.catalog.work.report_ends import SpanEnds
from pipeline.catalog.work.report_scope import Scope
from pipeline.errors import UnknownId
from pipeline.reports import figures, limits
from pipeline.reports.query import ReportQuery
from pipeline.results import DailyMetrics, Report, ReportedDocument, ReportedJob, iso

__all__ = ["LISTED", "find_scope", "gather", "iterate_documents"]

LISTED = 200
"""Failures and documents that a report lists; CSV and XLSX have all of them."""

MOST_DAYS = 400
"""Days of a report: a year, and a little more."""


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
    ends = report_ends.count_ends(connection, scope) if scope.job_id is None else None
    failed = report_figures.count_failures(connection, scope) if ends is None else ends.failed
    groups = report_figures.count_groups(connection, scope)
    if ends is not None and ends.unchanged:
        groups.append(report_figures.unread("unchanged", ends.unchanged))
    intervals = report_figures.count_intervals(connection, scope, figures.interval_length(scope.until - scope.since))
    # The groups of a span have no failed documents: those that intake refused have no format and no attempt.
    states = figures.states(groups, 0 if ends is None else sum(failed.values()))
    return Report(
        made_at=iso(time.time()) or "",
        job=_job(connection, scope.job_id),
        since=iso(scope.since) or "",
        until=iso(scope.until) or "",
        documents=sum(states.values()),
        states=states,
        bytes=sum(group.bytes for group in groups),
        pages=figures.pages_of(groups),
        chunks=sum(group.chunks for group in groups),
        ocr=figures.ocr_of(groups),
        formats=figures.formats(groups),
        failure_codes=figures.failure_codes(failed),
        stages=figures.stages(report_figures.measure(connection, scope)),
        throughput=figures.throughput(intervals, scope.since, scope.until),
        days=_days(connection, scope),
        notes=_notes(connection, scope, ends),
        **_lists(connection, scope, states, ends),
    )


def iterate_documents(connection: Connection, scope: Scope) -> Iterator[ReportedDocument]:
    """Every document of a report, read some at a time."""
    return map(_document, report_rows.iterate_documents(connection, scope))


def _notes(connection: Connection, scope: Scope, ends: SpanEnds | None) -> list[str]:
    """What the numbers leave out, as records are not kept for ever and jobs share documents."""
    gone_until = report_ends.stages_gone_until(connection, scope)
    joined = report_figures.count_joined(connection, scope) if scope.job_id is not None else 0
    return limits.notes(ends, gone_until, joined)


def _lists(connection: Connection, scope: Scope, states: Mapping[str, int], ends: SpanEnds | None) -> dict[str, Any]:
    """The first failures and documents, and how many more the formats have that list all of them."""
    failed = states.get("failed", 0) if ends is None else ends.listed
    documents = sum(states.values()) if ends is None else states.get("completed", 0) + failed
    listed = [*map(_document, report_rows.iterate_documents(connection, scope, LISTED))][:LISTED]
    failures = [*map(_document, report_rows.iterate_failures(connection, scope, LISTED))]
    return {
        "failures": failures,
        "more_failures": max(failed - len(failures), 0),
        "documents_listed": listed,
        "more_documents": max(documents - len(listed), 0),
    }


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


def _document(row: Mapping[str, Any]) -> ReportedDocument:
    seconds, confidence = row["seconds"], row["ocr_confidence"]
    measured = {
        "source": row["source"] or "",
        "seconds": None if seconds is None else round(max(seconds, 0.0), 3),
        "ocr_confidence": None if confidence is None else round(confidence, 4),
        "ended_at": iso(row["ended_at"]),
        "worker": read.worker_of(row["worker"]),
    }
    return ReportedDocument(**{**row, **measured})


def _days(connection: Connection, scope: Scope) -> list[DailyMetrics]:
    """The stored numbers of the days of a span; a job has none."""
    if scope.job_id is not None:
        return []
    return [
        DailyMetrics.of(row) for row in daily_metrics.list_days_within(connection, scope.since, scope.until, MOST_DAYS)
    ]
