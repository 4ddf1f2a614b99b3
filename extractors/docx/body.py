"""Walk a Word document's body in its order: paragraphs, lists, tables, text boxes, notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from extractors.docx.blocks import (
    CELL_SEPARATOR,
    LIST,
    Block,
    header_rows,
    is_continued,
    row_blocks,
    splits,
    without_breaks,
)
from extractors.docx.figures import figure_lines
from extractors.docx.inline import HARD_BREAK, MC, RENDERED_BREAK, Inline, InlineReader, chosen_form
from extractors.docx.parts import WordParts
from extractors.docx.pictures import A, drawing_lines
from extractors.docx.styles import RELATIONSHIPS, W, attribute, is_on

__all__ = ["BodyReader"]

TRANSPARENT = frozenset(W + tag for tag in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo"))
"""Wrappers around paragraphs, rows and cells that are looked through."""


class BodyReader:
    """Reads the blocks of a document's stories (body, headers, cells, boxes), each list counted on.

    Args:
        parts: the document's parts. Each footnote, endnote and comment is read at its first reference.
        embedded: gives the blocks of a document within the document (`w:altChunk`) by its relationship id.
    """

    def __init__(self, parts: WordParts, embedded: Callable[[str], Iterable[Block]]) -> None:
        self._styles = parts.styles
        self._numbering = parts.numbering
        self._notes = parts.notes
        self._section_starts = parts.section_starts
        self._figure = parts.figure
        self._embedded = embedded
        self._beside = False
        self._inline = InlineReader(parts.styles)
        self._carried = ""
        self._tables = 0
        self._is_split = False
        self._captions: set[str] = set()  # a logo that stands on many pages is described once

    def blocks(self, container: Any) -> Iterator[Block]:
        """Yield the blocks of a body, cell, header, note or text box in their order."""
        for child in _children(container):
            if child.tag == W + "p":
                yield from self._paragraph(child)
            elif child.tag == W + "tbl":
                if self._carried:
                    yield Block(self._take_carried())
                yield from self._table(child)
            elif child.tag == W + "altChunk" and not self._beside:
                yield from self._embedded(child.get(f"{{{RELATIONSHIPS}}}id", ""))
        if self._carried:
            yield Block(self._take_carried())

    def story(self, container: Any) -> str:
        """The whole text of something that stands beside the body, in a part of its own: a header, a note."""
        outer, self._beside = self._beside, True
        text = "\n".join(filter(None, (without_breaks(block.text) for block in self.blocks(container))))
        self._beside = outer
        return text

    def _paragraph(self, paragraph: Any) -> Iterator[Block]:
        inline = self._inline.read(paragraph)
        marker = "" if _has_no_end(paragraph, inline) else self._marker(paragraph)
        text = self._take_carried() + (HARD_BREAK if self._styles.breaks_page(paragraph) else "") + self._own(inline)
        if _runs_on(paragraph):
            self._carried = text
        elif text.strip():
            level = self._styles.heading_level(paragraph)
            yield Block(_marked(marker, text), level, LIST if marker and level is None else None)
        elif text:
            yield Block(text)
        yield from self._hanging(inline)
        if paragraph.find(f"{W}pPr/{W}sectPr") is not None and self._next_section_turns_page():
            yield Block(HARD_BREAK)

    def _marker(self, paragraph: Any) -> str:
        number = self._styles.numbering(paragraph)
        return self._numbering.marker(*number) if number else ""

    def _own(self, inline: Inline) -> str:
        """The paragraph's text; what follows a row over two pages repeats the page break that is within the row."""
        text = inline.text
        if self._is_split and text.lstrip(" \t\n").startswith(RENDERED_BREAK):
            text = text.replace(RENDERED_BREAK, "", 1)
        self._is_split = self._is_split and not text.strip()
        return text

    def _hanging(self, inline: Inline) -> Iterator[Block]:
        """What is anchored in the paragraph, right after it: text boxes, pictures, figures, notes, comments."""
        for box in inline.boxes:
            yield from self._box(box)
        for caption in dict.fromkeys(map(without_breaks, inline.captions)):
            if caption not in self._captions:
                self._captions.add(caption)
                yield Block(caption)
        for name in () if self._beside else inline.figures:
            root = self._figure(name)
            for line in [] if root is None else figure_lines(root, CELL_SEPARATOR):
                yield Block(line, None, name)
        for reference in inline.notes:
            note = self._notes.pop(reference, None)
            if note is not None:
                yield self._note(note)

    def _box(self, box: Any) -> Iterator[Block]:
        if box.tag == A + "txBody":
            yield from (Block(line) for line in drawing_lines(box))
        else:
            yield from (Block(without_breaks(block.text), None, block.group) for block in self.blocks(box))

    def _note(self, note: Any) -> Block:
        text = self.story(note)
        if note.tag != W + "comment" or not text:
            return Block(text)
        author = without_breaks(note.get(W + "author", ""))
        return Block(f"Comment ({author}): {text}" if author else f"Comment: {text}")

    def comments(self) -> Iterator[Block]:
        """Yield the comments that no paragraph read so far refers to."""
        for reference in [reference for reference in self._notes if reference[0] == "comment"]:
            yield self._note(self._notes.pop(reference))

    def _next_section_turns_page(self) -> bool:
        start = self._section_starts.pop(0) if self._section_starts else "continuous"
        return start in ("nextPage", "oddPage", "evenPage")

    def _take_carried(self) -> str:
        carried, self._carried = self._carried, ""
        return carried

    def _table(self, table: Any) -> Iterator[Block]:
        self._tables += 1
        group = f"table {self._tables}"
        rows = [row for row in _children(table) if row.tag == W + "tr" and row.find(f"{W}trPr/{W}del") is None]
        cells = [self._row(row) for row in rows]
        headers = header_rows(rows, cells)
        for number, (row, contents) in enumerate(zip(rows, cells, strict=True)):
            if len(contents) == 1 and not is_continued(next(iter(_cells(row)))):
                yield from contents[0]  # a frame around text, not a row of values
            else:
                yield from row_blocks(contents, group, names_columns=number < headers)

    def _row(self, row: Any) -> list[list[Block]]:
        cells = [self._cell(cell) for cell in _cells(row)]
        self._is_split = splits(cells)
        return cells

    def _cell(self, cell: Any) -> list[Block]:
        return [] if is_continued(cell) else list(self.blocks(cell))


def _children(container: Any) -> Iterator[Any]:
    """The block elements in it; insertions and content controls are opened, deletions left out."""
    for child in container:
        if child.tag in TRANSPARENT:
            yield from _children(child)
        elif child.tag == MC + "AlternateContent":
            yield from _children(chosen_form(child))
        else:
            yield child


def _runs_on(paragraph: Any) -> bool:
    """Whether the next paragraph goes on in the same line: this one's end is deleted, or it is a drop cap."""
    if _end_is_deleted(paragraph):
        return True
    return attribute(paragraph, "pPr/framePr", "dropCap") in ("drop", "margin")


def _has_no_end(paragraph: Any, inline: Inline) -> bool:
    """Whether the paragraph is none of its own, so that no list counts it: its end is deleted, or all of it hidden."""
    is_hidden = not inline.text.strip() and is_on(paragraph, "pPr/rPr/vanish")
    return is_hidden or _end_is_deleted(paragraph)


def _end_is_deleted(paragraph: Any) -> bool:
    return any(paragraph.find(f"{W}pPr/{W}rPr/{W}{change}") is not None for change in ("del", "moveFrom"))


def _cells(row: Any) -> list[Any]:
    return [cell for cell in _children(row) if cell.tag == W + "tc" and cell.find(f"{W}tcPr/{W}cellDel") is None]


def _marked(marker: str, text: str) -> str:
    """Put the list marker before the first letter, after any page break."""
    start = len(text) - len(text.lstrip())
    return f"{text[:start]}{marker} {text[start:]}" if marker else text
