"""Reports as entry points ask for them: as data, or written to a file in one of the formats."""

from __future__ import annotations

import time
from datetime import date, timedelta
from pathlib import Path

from pipeline.reports.formats import FormatName, writer_of
from pipeline.reports.gather import find_scope, gather, iterate_documents
from pipeline.reports.query import ReportQuery
from pipeline.results import Report
from pipeline.services import Services

__all__ = ["day_query", "file_name", "make_report", "write_report"]


def make_report(services: Services, query: ReportQuery) -> Report:
    """Gather the report of a job or a span.

    Raises:
        UnknownId: there is no such job.
        BadRequest: a time cannot be read.
    """
    with services.catalog.connect() as connection:
        return gather(connection, find_scope(connection, query, time.time()))


def write_report(services: Services, query: ReportQuery, name: FormatName, path: Path) -> Report:
    """Write the report of a job or a span to a file; documents are read while they are written.

    Returns:
        The report.

    Raises:
        UnknownId: there is no such job.
        BadRequest: a time cannot be read, or what the format needs is not installed.
    """
    write = writer_of(name)
    with services.catalog.connect() as connection:
        scope = find_scope(connection, query, time.time())
        report = gather(connection, scope)
        write(report, iterate_documents(connection, scope), path)
    return report


def day_query(day: date) -> ReportQuery:
    """The query for a day of local time: that of the machine whose catalog is read."""
    return ReportQuery(since=day.isoformat(), until=(day + timedelta(days=1)).isoformat())


def file_name(query: ReportQuery, name: FormatName) -> str:
    """The name of a report's file, in letters that every file system takes.

    >>> file_name(ReportQuery(job_id="1d0f9a5e-3c3b-5d2e-9a57-3f8a0a2f6b1c"), "html")
    'docrelay-report-1d0f9a5e.html'
    >>> file_name(ReportQuery(since="2026-11-28", until="2026-11-29"), "pdf")
    'docrelay-report-2026-11-28-to-2026-11-29.pdf'
    """
    about = query.job_id[:8] if query.job_id is not None else "-to-".join(filter(None, (query.since, query.until)))
    plain = "".join(char if char.isascii() and char.isalnum() else "-" for char in about) or "last-day"
    return f"docrelay-report-{plain[:60]}.{name}"
