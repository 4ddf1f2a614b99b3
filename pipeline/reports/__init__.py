"""Reports of a job or of a span of time, as data and as HTML, PDF, XLSX and CSV."""

from __future__ import annotations

from pipeline.reports.formats import FORMATS, FormatName
from pipeline.reports.query import ReportQuery
from pipeline.reports.reporting import day_query, file_name, make_report, write_report

__all__ = ["FORMATS", "FormatName", "ReportQuery", "day_query", "file_name", "make_report", "write_report"]
