"""Walk a Word document's body in its order: paragraphs, lists, tables, text boxes, notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from extractors.docx_figures import figure_lines
from extractors.docx_inline import HARD_BREAK, MC, RENDERED_BREAK, Inline, InlineReader
from extractors.docx_styles import Numbering, Styles, W, attribute

__all__ = ["CELL_SEPARATOR", "Block", "BodyReader"]

CELL_SEPARATOR = " | "
TRANSPARENT = frozenset(W + tag for tag in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo"))
"""Wrappers around paragraphs, rows and cells that are looked through."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a list item or a table row.

    `text` may hold page breaks (see `docx_inline`). `level` is 0 for a title, 1 to 9 for a heading.
    `group` is the same for neighbours that belong on adjoining lines: items of lists, rows of a table.
    """

    text: str
    level: int | None = None
    group: str | None = None


class BodyReader:
    """Reads the blocks of a document's stories (body, headers, cells, boxes), each list counted on.

    Args:
        styles: the document's styles.
        numbering: the document's lists.
        notes: footnotes and endnotes by ("footnote" or "endnote", id); each is read at its first reference.
        section_starts: how each section of the body after the first begins ("nextPage", "continuous", ...).
        figure: gives the root of a chart or SmartArt of the body by its relationship id, or None.
    """

    def __init__(
        self,
        styles: Styles,
        numbering: Numbering,
        notes: dict[tuple[str, str], Any],
        section_starts: list[str],
        figure: Callable[[str], Any],
    ) -> None:
        self._styles = styles
        self._numbering = numbering
        self._notes = dict(notes)
        self._section_starts = list(section_starts)
        self._figure = figure
        self._beside = False
        self._inline = InlineReader()
        self._carried = ""
        self._tables = 0

    def blocks(self, container: Any) -> Iterator[Block]:
        """Yield the blocks of a body, cell, header, note or text box in their order."""
        for child in _children(container):
            if child.tag == W + "p":
                yield from self._paragraph(child)
            elif child.tag == W + "tbl":
                yield from self._table(child)
        if self._carried:
            yield Block(self._take_carried())

    def story(self, container: Any) -> str:
        """The whole text of something that stands beside the body, in a part of its own: a header, a note."""
        outer, self._beside = self._beside, True
        text = "\n".join(filter(None, (_without_breaks(block.text) for block in self.blocks(container))))
        self._beside = outer
        return text

    def _paragraph(self, paragraph: Any) -> Iterator[Block]:
        inline = self._inline.read(paragraph)
        number = self._styles.numbering(paragraph)
        marker = self._numbering.marker(*number) if number else ""
        text = self._take_carried() + (HARD_BREAK if self._styles.breaks_page(paragraph) else "") + inline.text
        if _runs_on(paragraph):
            self._carried = text
        elif text.strip():
            level = self._styles.heading_level(paragraph)
            yield Block(_marked(marker, text), level, "list" if marker and level is None else None)
        elif text:
            yield Block(text)
        yield from self._hanging(inline)
        if paragraph.find(f"{W}pPr/{W}sectPr") is not None and self._next_section_turns_page():
            yield Block(HARD_BREAK)

    def _hanging(self, inline: Inline) -> Iterator[Block]:
        """Text boxes and figures anchored in the paragraph, and the notes it refers to, right after it."""
        for box in inline.boxes:
            for block in self.blocks(box):
                yield Block(_without_breaks(block.text), None, block.group)
        for name in () if self._beside else inline.figures:
            root = self._figure(name)
            for line in [] if root is None else figure_lines(root, CELL_SEPARATOR):
                yield Block(line, None, name)
        for reference in inline.notes:
            note = self._notes.pop(reference, None)
            if note is not None:
                yield Block(self.story(note))

    def _next_section_turns_page(self) -> bool:
        start = self._section_starts.pop(0) if self._section_starts else "continuous"
        return start in ("nextPage", "oddPage", "evenPage")

    def _take_carried(self) -> str:
        carried, self._carried = self._carried, ""
        return carried

    def _table(self, table: Any) -> Iterator[Block]:
        self._tables += 1
        group = f"table {self._tables}"
        for row in _children(table):
            if row.tag != W + "tr" or row.find(f"{W}trPr/{W}del") is not None:
                continue
            cells = [cell for cell in _children(row) if cell.tag == W + "tc"]
            if len(cells) == 1 and not _continues(cells[0]):
                yield from self.blocks(cells[0])  # a frame around text, not a row of values
            else:
                yield _row([self._cell(cell) for cell in cells], group)

    def _cell(self, cell: Any) -> str:
        return "" if _continues(cell) else " ".join(block.text for block in self.blocks(cell))


def _children(container: Any) -> Iterator[Any]:
    """The block elements in it; insertions and content controls are opened, deletions left out."""
    for child in container:
        if child.tag in TRANSPARENT:
            yield from _children(child)
        elif child.tag == MC + "AlternateContent":
            yield from _children(next(iter(child), ()))
        else:
            yield child


def _runs_on(paragraph: Any) -> bool:
    """Whether the next paragraph goes on in the same line: this one's end is deleted, or it is a drop cap."""
    if paragraph.find(f"{W}pPr/{W}rPr/{W}del") is not None:
        return True
    return attribute(paragraph, "pPr/framePr", "dropCap") in ("drop", "margin")


def _continues(cell: Any) -> bool:
    """Whether the cell only continues a merged one, above it or to its left."""
    for merge in ("vMerge", "hMerge"):
        merging = cell.find(f"{W}tcPr/{W}{merge}")
        if merging is not None and merging.get(W + "val", "continue") == "continue":
            return True
    return False


def _row(cells: list[str], group: str) -> Block:
    """One line; page breaks inside cells, which each cell records for itself, are counted once."""
    text = CELL_SEPARATOR.join(_without_breaks(cell) for cell in cells)
    breaks = (
        "".join(mark * max(cell.count(mark) for cell in cells) for mark in (HARD_BREAK, RENDERED_BREAK))
        if cells
        else ""
    )
    leading = any((set(cell) & {HARD_BREAK, RENDERED_BREAK}) and not _before_break(cell) for cell in cells)
    if not text.strip(" |"):
        return Block(breaks)
    return Block(breaks + text if leading else text + breaks, None, group)


def _before_break(cell: str) -> str:
    return cell.replace(RENDERED_BREAK, HARD_BREAK).partition(HARD_BREAK)[0].strip()


def _without_breaks(text: str) -> str:
    return " ".join(text.split())


def _marked(marker: str, text: str) -> str:
    """Put the list marker before the first letter, after any page break."""
    start = len(text) - len(text.lstrip())
    return f"{text[:start]}{marker} {text[start:]}" if marker else text
