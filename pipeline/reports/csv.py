"""A report as CSV (RFC 4180): one row for each document, however many, in UTF-8 with a byte order mark.

A program for spreadsheets takes a text that begins with a sign such as `=` for a formula and runs it. Such a text, and
one that begins with an apostrophe itself, gets an apostrophe before it: take one away, and the text is as it was.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from pipeline.results import Report, ReportedDocument

__all__ = ["COLUMNS", "guarded", "write"]

COLUMNS = tuple(ReportedDocument.model_fields)

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""Beginnings of a text that is guarded: https://owasp.org/www-community/attacks/CSV_Injection"""

FULL_WIDTH = ("＝", "＋", "－", "＠")
"""Some programs read these as the signs themselves."""


def write(report: Report, rows: Iterable[ReportedDocument], path: Path) -> None:
    """Write a head and one row for each document; nothing is kept in memory."""
    # With a byte order mark: without it Excel reads the file in the system's old encoding.
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for row in rows:
            values = (getattr(row, name) for name in COLUMNS)
            writer.writerow([guarded(value) if isinstance(value, str) else value for value in values])


def guarded(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet could take it for a formula.

    >>> guarded("=cmd|' /C calc'!A0"), guarded("file:///a.txt")
    ("'=cmd|' /C calc'!A0", 'file:///a.txt')
    """
    return f"'{text}" if text.lstrip(" \ufeff\u00a0").startswith((*STARTS, *FULL_WIDTH)) else text
