"""Rows of a document's tables: chunks end between them, and each takes the header row of its table along."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

from extractors.document import Document, Table
from extractors.text.tables import header_of, row_starts

__all__ = ["TableRows"]


class TableRows:
    """The tables of one document, whose text is `text`."""

    def __init__(self, document: Document, text: str) -> None:
        self._text = text
        self._tables = document.tables
        self._starts = [table.char_start for table in document.tables]
        self._quoted_rows = lru_cache(maxsize=1)(row_starts)

    def header(self, begin: int) -> str:
        """Return the header row of the table that holds this offset below its header; "" elsewhere."""
        table = self._at(begin)
        return header_of(self._text, table) if table and begin >= table.header_end > table.char_start else ""

    def end_before(self, begin: int, after: int, stop: int) -> int | None:
        """Move the end of a chunk that begins at `begin` back to the end of a row, if it stands within one.

        Returns:
            `stop` where it ends a row or is in no table; None if no row ends between `after` and `stop`.
        """
        following = self._next_visible(stop)
        table = self._at(following)
        if table is None or following <= table.char_start:
            return stop
        row = self._row(table, following)
        if not self._text[row:following].strip():
            return stop
        end = begin + len(self._text[begin:row].rstrip())
        return end if end > after else None

    def start_after(self, start: int, stop: int) -> int:
        """Move the start of a repeated text to the next row, if it stands within one; `stop` or more without one."""
        table = self._at(start)
        if table is None:
            return start
        row = self._row(table, start)
        if not self._text[row:start].strip():
            return start
        rows = row_starts(self._text, Table(row, row, min(stop, table.char_end), table.quoted))
        return self._next_visible(rows[1]) if len(rows) > 1 else stop

    def _at(self, offset: int) -> Table | None:
        number = bisect_right(self._starts, offset) - 1
        return self._tables[number] if number >= 0 and offset < self._tables[number].char_end else None

    def _row(self, table: Table, offset: int) -> int:
        """The start of the row that holds the offset."""
        if not table.quoted:
            return max(self._text.rfind("\n", table.char_start, offset) + 1, table.char_start)
        starts = self._quoted_rows(self._text, table)
        return starts[bisect_right(starts, offset) - 1]

    def _next_visible(self, offset: int) -> int:
        while offset < len(self._text) and self._text[offset].isspace():
            offset += 1
        return offset
