"""A report as a workbook (XLSX): the figures in sheets of their own, then every document, written as it is read.

Every text is written as a text: no value of a document becomes a formula or a link.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from pipeline.reports import sections
from pipeline.reports.texts import Cell, readable
from pipeline.results import Report, ReportedDocument

__all__ = ["COLUMNS", "MOST_ROWS", "write"]

COLUMNS = tuple(ReportedDocument.model_fields)

MOST_ROWS = 1_048_575
"""Documents of one sheet: as many rows as Excel opens, less the head. Further ones are in further sheets."""

MOST_LETTERS = 32_767
"""Characters of a cell, by Excel's own limit."""


def write(report: Report, rows: Iterable[ReportedDocument], path: Path) -> None:
    """Write the workbook; rows go to a temporary file, not into memory."""
    # In constant memory, rows are written to files beside the workbook until it is closed.
    options = {"constant_memory": True, "tmpdir": str(path.parent)}
    with Workbook(str(path), options) as workbook:
        _write_summary(workbook.add_worksheet("Summary"), report)
        for section in sections.figures(report):
            sheet = workbook.add_worksheet(section.title)
            _write_table(sheet, section.head, section.rows)
        _write_documents(workbook, rows)


def _write_summary(sheet: Worksheet, report: Report) -> None:
    lines: list[Sequence[Cell]] = [(sections.title(report),), *((note,) for note in sections.notes(report))]
    lines += sections.facts(report)
    for number, line in enumerate(lines):
        _write_row(sheet, number, line)
    sheet.set_column(0, 1, 40)


def _write_table(sheet: Worksheet, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    for number, row in enumerate((head, *rows)):
        _write_row(sheet, number, row)
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(head) - 1, 24)


def _write_documents(workbook: Workbook, rows: Iterable[ReportedDocument]) -> None:
    sheet, number = _documents_sheet(workbook, 1), 0
    sheets = 1
    for row in rows:
        if number == MOST_ROWS:
            sheets += 1
            sheet, number = _documents_sheet(workbook, sheets), 0
        number += 1
        _write_row(sheet, number, [getattr(row, name) for name in COLUMNS])


def _documents_sheet(workbook: Workbook, count: int) -> Worksheet:
    sheet = workbook.add_worksheet("Documents" if count == 1 else f"Documents {count}")
    sheet.freeze_panes(1, 1)
    sheet.set_column(0, 0, 60)
    _write_row(sheet, 0, COLUMNS)
    return sheet


def _write_row(sheet: Worksheet, number: int, cells: Sequence[Cell]) -> None:
    for column, cell in enumerate(cells):
        if isinstance(cell, str):
            sheet.write_string(number, column, readable(cell)[:MOST_LETTERS])
        elif cell is not None:
            sheet.write_number(number, column, cell)
