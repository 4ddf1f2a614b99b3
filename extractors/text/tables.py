"""Find tables in a text: in Markdown by their delimiter row, in CSV by rows of the same number of cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from io import StringIO
from itertools import islice

from extractors.document import Table

__all__ = ["csv_table", "has_header", "header_of", "markdown_tables", "row_starts"]

MAX_TABLES = 10_000
JUDGED_ROWS = 1000
"""Rows of a CSV file that are looked at to find its delimiter and its header."""
JUDGED_CHARS = 200_000
MAX_HEADER_CELL = 80
MAX_LINES_BEFORE = 10
"""Lines that may stand before the header of a CSV file: a title, a date, the delimiter as Excel writes it."""
DELIMITERS = (",", ";", "\t", "|")
BEFORE_QUOTE = frozenset((*DELIMITERS, "\n", '"'))
"""What stands before the quote that opens a cell, or goes on with it as the second one of a doubled quote."""

QUOTED = r"[ \t]*(?:>[ \t]*)*"
"""What stands before a line within a list, a quote, or both."""
RULE = re.compile(r"^[ \t>|:-]{1,5000}$", re.MULTILINE)
"""A line that may be a delimiter row; bounded, and without a choice of ways to match, so that no line takes long."""
DELIMITER_ROW = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?")
TABLE_END = re.compile(rf"\n{QUOTED}(?:\n|\Z|#{{1,6}}[ \t]|```|~~~)")
YEAR = re.compile(r"(?:19|20)\d\d")
NUMBER = re.compile(r"[-+(]?[\d.,:/\s%€$£'-]*\d[\d.,:/\s%€$£')-]*")


def markdown_tables(text: str) -> tuple[Table, ...]:
    """Return the tables of a Markdown text: a header row, a delimiter row, the rows up to a blank line or a heading.

    Also within lists and quotes.

    Source: GitHub Flavored Markdown 0.29, section 4.10.
    """
    return tuple(islice(_markdown_tables(text), MAX_TABLES))


def csv_table(text: str) -> Table | None:
    """Return the one table that a CSV or TSV file is; None where its rows are not alike.

    Its first row is the header if that names the columns (`has_header`). A few lines before the table are none of it.
    """
    sample = text[:JUDGED_CHARS]
    if len(text) > JUDGED_CHARS:
        sample = sample.rpartition("\n")[0]
    best = max((_parsed(sample, delimiter) for delimiter in DELIMITERS), key=_fit)
    if _likeness(best) <= 0:
        return None
    judged = len(best) < JUDGED_ROWS and sample == text
    quoted = any("\n" in cell for row in best for cell in row) if judged else '"' in text
    table = Table(0, 0, len(text), quoted)
    before = _rows_before(best)
    start = [at for at in row_starts(text, table) if not text.startswith("\n", at)][before]
    table = Table(start, start, len(text), quoted)
    if not has_header(best[before:]):
        return table
    starts = row_starts(text, table)
    return Table(start, starts[1] if len(starts) > 1 else len(text), len(text), quoted)


def has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: it holds no number, no empty cell and no value of the rows below.

    A year may name a column whose values are other than years, and the first cell may be empty over names of rows.
    """
    first, *rest = [[cell.strip() for cell in row] for row in rows]
    columns = [[row[at] for row in rest if at < len(row)] for at in range(len(first))]
    if len(set(first)) < len(first):
        return False
    named = all(_names(cell, column, at) for at, (cell, column) in enumerate(zip(first, columns, strict=True)))
    return named and not all(NUMBER.fullmatch(cell) for cell in first if cell)


def header_of(text: str, table: Table) -> str:
    """Return the header row of a table in its text; "" if it has none."""
    return _bare(text[table.char_start : table.header_end])


def row_starts(text: str, table: Table) -> list[int]:
    """Return the offsets at which the rows of a table begin, header and delimiter row included, in order.

    A line break in a cell in double quotes does not end a row of a table that is `quoted`; a quote that does not begin
    its cell, as in 3/4" pipe, opens none.
    """
    starts, is_open = [table.char_start], False
    ends = re.compile(r'["\n]' if table.quoted else "\n")
    for match in ends.finditer(text, table.char_start, table.char_end):
        if match[0] == '"':
            at = match.start()
            is_open = not is_open and (at == table.char_start or text[at - 1] in BEFORE_QUOTE)
        elif not is_open and match.end() < table.char_end:
            starts.append(match.end())
    return starts


def _names(cell: str, column: list[str], at: int) -> bool:
    """Whether a cell of the first row can name the column of the cells below it."""
    if not cell:
        return at == 0 and all(column)
    if NUMBER.fullmatch(cell) and not (YEAR.fullmatch(cell) and not all(map(YEAR.fullmatch, column))):
        return False
    return len(cell) <= MAX_HEADER_CELL and cell not in column


def _rows_before(rows: list[list[str]]) -> int:
    """How many rows at the top are not of the table: another number of cells, or the delimiter as Excel writes it."""
    width = _width(rows)
    top = enumerate(rows[: MAX_LINES_BEFORE + 1])
    return next((at for at, row in top if len(row) == width and row[0] != "sep="), 0)


def _markdown_tables(text: str) -> Iterator[Table]:
    end = 0
    for rule in RULE.finditer(text):
        if rule.start() < max(end, 1) or "|" not in rule[0] or not DELIMITER_ROW.fullmatch(_bare(rule[0])):
            continue
        start = text.rfind("\n", 0, rule.start() - 1) + 1
        header = text[start : rule.start() - 1]
        if start < end or "|" not in header or _cells(_bare(header)) != _cells(_bare(rule[0])):
            continue
        stop = TABLE_END.search(text, rule.end())
        end = stop.start() if stop else len(text)
        yield Table(start, rule.start(), end)


def _bare(row: str) -> str:
    """A row without the marks of the quote that it stands in."""
    return row.lstrip(" \t>").rstrip()


def _cells(row: str) -> int:
    """How many cells a row of a Markdown table has; an escaped bar is no separator."""
    return len(re.split(r"(?<!\\)\|", row.strip().removeprefix("|").removesuffix("|")))


def _parsed(sample: str, delimiter: str) -> list[list[str]]:
    """The first rows of a text, as CSV with this delimiter; none where it is no CSV."""
    try:
        rows = csv.reader(StringIO(sample, newline="\n"), delimiter=delimiter, strict=True)
        return [row for row in islice(rows, JUDGED_ROWS) if row]
    except csv.Error:
        return []


def _fit(rows: list[list[str]]) -> tuple[bool, int, int]:
    """How well a delimiter fits the rows that it makes: those that leave few rows out before those with many cells."""
    likeness = _likeness(rows)
    return likeness > 0, -_rows_before(rows) if rows else 0, likeness


def _likeness(rows: list[list[str]]) -> int:
    """How many cells the rows have in common; 0 where they are not rows of one table."""
    rows = rows[_rows_before(rows) :] if rows else rows
    if len(rows) < 2:
        return 0
    width = _width(rows)
    alike = sum(len(row) == width for row in rows)
    return width if width > 1 and alike * 10 >= len(rows) * 9 else 0


def _width(rows: list[list[str]]) -> int:
    """The usual number of cells of a row."""
    return sorted(map(len, rows))[len(rows) // 2]
