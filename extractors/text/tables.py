"""Find tables in a text: in Markdown by their delimiter row, in CSV by rows of the same number of cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice

from extractors.document import Table

__all__ = ["csv_table", "has_header", "header_of", "markdown_tables", "row_starts"]

MAX_TABLES = 10_000
JUDGED_ROWS = 1000
"""Rows of a CSV file that are looked at to find its delimiter and its header."""
JUDGED_CHARS = 200_000
MAX_HEADER_CELL = 80
DELIMITERS = (",", ";", "\t", "|")

DELIMITER_ROW = re.compile(r"^[ ]{0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$", re.MULTILINE)
NUMBER = re.compile(r"[-+(]?[\d.,:/\s%€$£'-]*\d[\d.,:/\s%€$£')-]*")


def markdown_tables(text: str) -> tuple[Table, ...]:
    """Return the tables of a Markdown text: a header row, a delimiter row, and the rows up to the next blank line.

    Source: GitHub Flavored Markdown 0.29, section 4.10.
    """
    return tuple(islice(_markdown_tables(text), MAX_TABLES))


def csv_table(text: str) -> Table | None:
    """Return the one table that a CSV or TSV file is; None where its rows are not alike.

    Its first row is the header unless it holds a number, an empty cell or a value that its column repeats.
    """
    sample = text[:JUDGED_CHARS]
    if len(text) > JUDGED_CHARS:
        sample = sample.rpartition("\n")[0]
    best = max((_parsed(sample, delimiter) for delimiter in DELIMITERS), key=_likeness)
    if _likeness(best) <= 0:
        return None
    quoted = len(best) < len([line for line in sample.split("\n") if line.strip()])
    start = len(text) - len(text.lstrip("\n"))
    table = Table(start, start, len(text), quoted)
    if not has_header(best):
        return table
    starts = row_starts(text, table)
    return Table(start, starts[1] if len(starts) > 1 else len(text), len(text), quoted)


def has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: it holds no number, no empty cell and no value of the rows below."""
    first, *rest = [[cell.strip() for cell in row] for row in rows]
    if not all(first) or len(set(first)) < len(first) or any(NUMBER.fullmatch(cell) for cell in first):
        return False
    repeated = any(cell in {row[at] for row in rest if at < len(row)} for at, cell in enumerate(first))
    return not repeated and all(len(cell) <= MAX_HEADER_CELL for cell in first)


def header_of(text: str, table: Table) -> str:
    """Return the header row of a table in its text; "" if it has none."""
    return text[table.char_start : table.header_end].strip()


def row_starts(text: str, table: Table) -> list[int]:
    """Return the offsets at which the rows of a table begin, header and delimiter row included, in order.

    A line break between double quotes does not end a row of a table that is `quoted`.
    """
    starts, is_open = [table.char_start], False
    ends = re.compile(r'["\n]' if table.quoted else "\n")
    for match in ends.finditer(text, table.char_start, table.char_end):
        if match[0] == '"':
            is_open = not is_open
        elif not is_open and match.end() < table.char_end:
            starts.append(match.end())
    return starts


def _markdown_tables(text: str) -> Iterator[Table]:
    end = 0
    for rule in DELIMITER_ROW.finditer(text):
        if rule.start() < max(end, 1) or "|" not in rule[0]:
            continue
        start = text.rfind("\n", 0, rule.start() - 1) + 1
        header = text[start : rule.start() - 1]
        if start < end or "|" not in header or _cells(header) != _cells(rule[0]):
            continue
        blank = re.compile(r"\n[ \t]*(?:\n|\Z)").search(text, rule.end())
        end = blank.start() if blank else len(text)
        yield Table(start, rule.start(), end)


def _cells(row: str) -> int:
    """How many cells a row of a Markdown table has; an escaped bar is no separator."""
    return len(re.split(r"(?<!\\)\|", row.strip().removeprefix("|").removesuffix("|")))


def _parsed(sample: str, delimiter: str) -> list[list[str]]:
    """The first rows of a text, as CSV with this delimiter; none where it is no CSV."""
    try:
        rows = csv.reader(sample.split("\n"), delimiter=delimiter, strict=True)
        return [row for row in islice(rows, JUDGED_ROWS) if row]
    except csv.Error:
        return []


def _likeness(rows: list[list[str]]) -> int:
    """How many cells the rows have in common; 0 where they are not rows of one table."""
    if len(rows) < 2:
        return 0
    width = sorted(map(len, rows))[len(rows) // 2]
    alike = sum(len(row) == width for row in rows)
    return width if width > 1 and alike * 10 >= len(rows) * 9 else 0
