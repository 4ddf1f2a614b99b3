"""The formats of a report: each is one function behind one contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from pipeline.results import Report, ReportedDocument

__all__ = ["FORMATS", "FormatName", "Write", "writer_of"]

FormatName = Literal["html", "pdf", "xlsx", "csv"]

Write = Callable[[Report, Iterable[ReportedDocument], Path], None]
"""Writes a report to a file: its figures, and every document, which are read while they are written."""


FORMATS: dict[FormatName, str] = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}
"""The media type of each format. CSV and XLSX have every document, the others those that the report lists."""


def writer_of(name: FormatName) -> Write:
    """The function that writes a format; only its libraries are imported."""
    match name:
        case "html":
            from pipeline.reports import html

            return html.write
        case "pdf":
            from pipeline.reports import pdf

            return pdf.write
        case "xlsx":
            from pipeline.reports import xlsx

            return xlsx.write
        case "csv":
            from pipeline.reports import csv

            return csv.write
