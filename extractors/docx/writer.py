"""Put the blocks of a Word file together to pages and sections."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from extractors.document import PAGE_SEPARATOR, Page, Section, Table
from extractors.docx.blocks import Block
from extractors.docx.inline import HARD_BREAK, RENDERED_BREAK
from extractors.errors import TooLarge

__all__ = ["Writer"]

MAX_PAGE_CHARS = 20_000
"""More than a page holds, in small print on large paper as well."""
STALE = (
    "Pages are not numbered: the file was changed after Word had recorded where its pages end. Open it in Word and "
    "save it to have them numbered."
)
SPACE = re.compile(r"(?<!\s)\s+")


@dataclass(slots=True)
class Writer:
    """Puts blocks together; knows where each heading starts and where pages end.

    A paragraph, a list item and a table row is a line of its own, and only a line break within it begins another; so
    paragraphs are counted as the lines that are not blank.

    Args:
        max_chars: the most characters that the text may have.
        is_laid_out: whether Word has recorded where pages end. If not, a break that the author set ends a
            paragraph: the pages around it cannot be numbered, as the long ones among them are not known.
    """

    max_chars: int
    is_laid_out: bool
    warnings: list[str] = field(default_factory=list)
    _parts: list[str] = field(default_factory=list)
    _size: int = 0
    _space: str = ""
    _group: str | None = None
    _headings: list[tuple[int, int, str]] = field(default_factory=list)
    _body_end: int = 0
    _tables: list[Table] = field(default_factory=list)

    def add(self, block: Block) -> None:
        """Append a block; page breaks at its ends and between blocks become one boundary."""
        whole = block.text if self.is_laid_out else block.text.replace(HARD_BREAK, "\n").replace(RENDERED_BREAK, " ")
        text = whole.strip()
        if not text:
            self._space += whole
            return
        lead, tail = whole[: whole.index(text)], whole[whole.index(text) + len(text) :]
        self._put(self._boundary(self._space + lead, block.group))
        if block.level is not None:
            self._headings.append((self._size, block.level, " ".join(text.split())))
        start = self._size
        self._put(SPACE.sub(lambda match: _breaks(match[0]) or match[0], text))
        if block.names_columns is not None:
            self._end_row(start, block)
        self._space, self._group = tail, block.group

    def _end_row(self, start: int, block: Block) -> None:
        """Count the row that begins at this offset and ends here to its table; its header are the first rows."""
        table = Table(start, start, start)
        if self._tables and self._group == block.group:
            table = self._tables.pop()
        leads = block.names_columns and table.header_end == table.char_end
        self._tables.append(Table(table.char_start, self._size if leads else table.header_end, self._size))

    def tables(self) -> tuple[Table, ...]:
        """The tables, with the rows that name their columns."""
        return tuple(self._tables)

    def end_body(self) -> None:
        """Say that what follows belongs to no section."""
        self._body_end = self._size

    def pages(self, max_pages: int) -> tuple[Page, ...]:
        """The pages, numbered if Word has laid the file out as it is now; else one page without a number.

        `HARD_BREAK` is as long as `PAGE_SEPARATOR`, so offsets hold in `Document.text` as well.
        """
        texts = "".join(self._parts).split(HARD_BREAK)
        if len(texts) > max_pages:
            raise TooLarge(f"The file has {len(texts)} pages; `max_pages` allows {max_pages}.")
        if self.is_laid_out and max(map(len, texts)) > MAX_PAGE_CHARS:
            self.warnings.append(STALE)
            texts, self.is_laid_out = [PAGE_SEPARATOR.join(texts)], False
        return tuple(
            Page(number if self.is_laid_out else None, text, origin="text" if text else "empty")
            for number, text in enumerate(texts, 1)
        )

    def sections(self) -> tuple[Section, ...]:
        """A section from each heading to the next, with the path of headings above it."""
        ends = [start for start, _, _ in self._headings[1:]] + [self._body_end]
        path: list[tuple[int, str]] = []
        sections = []
        for (start, level, title), end in zip(self._headings, ends, strict=False):
            path = [*(upper for upper in path if upper[0] < level), (level, title)]
            sections.append(Section(tuple(name for _, name in path), start, end))
        return tuple(sections)

    def _boundary(self, space: str, group: str | None) -> str:
        if not self._size:
            return HARD_BREAK * space.count(HARD_BREAK)
        return _breaks(space) or ("\n" if group and group == self._group else "\n\n")

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._size += len(text)
        if self._size > self.max_chars:
            raise TooLarge(f"The file holds more than {self.max_chars} characters (`max_chars`).")


def _breaks(space: str) -> str:
    """One `HARD_BREAK` for each page that ends here; Word records an author's break a second time as rendered."""
    return HARD_BREAK * max(space.count(HARD_BREAK), space.count(RENDERED_BREAK))
