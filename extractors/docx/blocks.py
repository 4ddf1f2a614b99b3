"""`Block`: a paragraph, a list item or a table row of a Word file; and how a row is put together from its cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Any

from extractors.docx.inline import HARD_BREAK, RENDERED_BREAK
from extractors.docx.styles import W, is_on
from extractors.text.tables import JUDGED_ROWS, has_header

__all__ = ["CELL_SEPARATOR", "LIST", "Block", "header_rows", "is_continued", "row_blocks", "splits", "without_breaks"]

CELL_SEPARATOR = " | "
CORNER = "\0"
"""Stands for the empty corner of a table that names its columns and its rows."""
MAX_COLUMNS = 200
"""Wider tables are not judged by their first row."""
LIST = "list"
"""The group of the items of lists."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a list item or a table row.

    `text` may hold page breaks (see `inline`). `level` is 0 for a title, 1 to 9 for a heading.
    `group` is the same for neighbours that belong on adjoining lines: items of lists, rows of a table.
    `names_columns` says whether a table's row does so; None for what is no row.
    """

    text: str
    level: int | None = None
    group: str | None = None
    names_columns: bool | None = None


def is_continued(cell: Any) -> bool:
    """Whether the cell only continues a merged one, above it or to its left."""
    for merge in ("vMerge", "hMerge"):
        merging = cell.find(f"{W}tcPr/{W}{merge}")
        if merging is not None and merging.get(W + "val", "continue") == "continue":
            return True
    return False


def without_breaks(text: str) -> str:
    """The text in one line, without page breaks."""
    return " ".join(text.split())


def row_blocks(cells: list[list[Block]], group: str, names_columns: bool = False) -> Iterator[Block]:
    """Yield the line of a row; a table of several rows within a cell interrupts it by a line for each of its rows.

    Page breaks inside cells, which each cell records for itself, are counted once.
    """
    lines = [line for line in _lines(cells) if line.strip(" |")]
    before, after = _page_breaks([_text(cell) for cell in cells])
    if not lines:
        yield Block(before + after)
        return
    lines[0] = before + lines[0]
    lines[-1] += after
    for line in lines:
        yield Block(line, None, group, names_columns and len(lines) == 1)


def header_rows(rows: list[Any], cells: list[list[list[Block]]]) -> int:
    """How many rows at the beginning of a table name its columns: those that Word repeats on each page, or one.

    Args:
        rows: its rows (`w:tr`).
        cells: for each row, the blocks of each cell.
    """
    repeated = len(list(takewhile(lambda row: is_on(row, "trPr/tblHeader"), rows)))
    if repeated or len(rows) < 3 or not cells or not 2 <= len(cells[0]) <= MAX_COLUMNS:
        return repeated if repeated < len(rows) else 0
    judged = cells[:JUDGED_ROWS]
    texts = [[" ".join(without_breaks(block.text) for block in cell) for cell in row] for row in judged]
    texts[0][0] = texts[0][0] or CORNER
    return int(has_header(texts))


def _lines(cells: list[list[Block]]) -> Iterator[str]:
    line: list[str] = []
    for cell in cells:
        line.append("")
        for rows in _pieces(cell):
            if len(rows) == 1:
                line[-1:] = [" ".join([*filter(None, line[-1:]), *rows])]
            else:
                yield CELL_SEPARATOR.join(line).removesuffix(CELL_SEPARATOR)
                yield from rows
                line = []
    yield CELL_SEPARATOR.join(line)


def _pieces(cell: list[Block]) -> Iterator[list[str]]:
    """The parts of a cell: the text of its paragraphs, or the rows of a table in it."""
    for group, blocks in groupby(cell, key=lambda block: None if block.group == LIST else block.group):
        texts = [text for block in blocks if (text := without_breaks(block.text))]
        if texts:
            yield texts if group else [" ".join(texts)]


def splits(cells: list[list[Block]]) -> bool:
    """Whether Word has laid the row out over two pages."""
    return any(RENDERED_BREAK in _text(cell).lstrip() for cell in cells)


def _page_breaks(cells: list[str]) -> tuple[str, str]:
    """The page breaks of a row that stand before its text, and those after it.

    Word records for each cell where a page ends in it, and at the beginning of a cell that it is back on the page
    before: only the first cell that has text says where the row begins.
    """
    marks = (HARD_BREAK, RENDERED_BREAK)
    written = [cell for cell in cells if cell.strip()]
    if not written:
        return "".join(mark * max((cell.count(mark) for cell in cells), default=0) for mark in marks), ""
    inside = [cell.lstrip() for cell in written]
    before = written[0][: len(written[0]) - len(inside[0])]
    return (
        "".join(mark * before.count(mark) for mark in marks),
        "".join(mark * max(cell.count(mark) for cell in inside) for mark in marks),
    )


def _text(cell: list[Block]) -> str:
    return "".join(block.text for block in cell)
