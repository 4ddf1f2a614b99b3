"""A report as CSV (RFC 4180): one row for each document, however many, in UTF-8 with a byte order mark.

A program for spreadsheets takes a text that begins with a sign such as `=` for a formula and runs it. Such a text, and
one that begins with an apostrophe itself, gets an apostrophe before it: take one away, and the text is as it was.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import BinaryIO

from pipeline.results import Report, ReportedDocument

__all__ = ["COLUMNS", "guarded", "write"]

COLUMNS = tuple(ReportedDocument.model_fields)

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""Beginnings of a text that is guarded: https://owasp.org/www-community/attacks/CSV_Injection"""

FULL_WIDTH = ("＝", "＋", "－", "＠")
"""Some programs read these as the signs themselves."""

BOM = "\ufeff"
"""Without it Excel reads the file in the system's old encoding."""


def write(report: Report, rows: Iterable[ReportedDocument], out: BinaryIO) -> None:
    """Write a head and one row for each document; nothing is kept in memory."""
    text = io.TextIOWrapper(out, "utf-8", errors="backslashreplace", newline="")
    text.write(BOM)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = (getattr(row, name) for name in COLUMNS)
        writer.writerow([guarded(value) if isinstance(value, str) else value for value in values])
    text.detach()  # it flushes, and leaves the file open to its owner


def guarded(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet could take it for a formula.

    >>> guarded("=cmd|' /C calc'!A0"), guarded("file:///a.txt")
    ("'=cmd|' /C calc'!A0", 'file:///a.txt')
    """
    return f"'{text}" if text.lstrip(" \ufeff\u00a0").startswith((*STARTS, *FULL_WIDTH)) else text
