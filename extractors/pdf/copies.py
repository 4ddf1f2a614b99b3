"""Which characters of a page are copies: text drawn again a little aside, to make it bold or to give it a shadow."""

from __future__ import annotations

import re
from collections import defaultdict

from extractors.pdf.objects import Box
from extractors.pdf.placement import Run

__all__ = ["copied", "is_drawn_over", "may_have_copies"]

ASIDE = 0.45
"""A character of the same kind is a copy if it stands within this share of its own width."""
ABOVE = 0.25
"""The same, of its height."""
DOUBTFUL = 3
"""A word is looked at if at least one in so many of its letters is a copy: narrow ones stand too far aside."""
EXACT = 0.5
"""Points within which a place is the same."""
OVERLAP = 0.5
"""Share of the smaller of two pieces of text that lies under the other, if one is drawn over the other."""
ROW = 4.0
WORD = re.compile(r"\S+")
DOUBLED = re.compile(r"(?:([A-Za-zÀ-\u058f])\1){4}")
"""Letter by letter drawn twice."""
NARROW = re.compile(r"ii|jj|II(?=[a-z])")
"""Narrow letters whose copies stand further aside than half of their width; few languages have them doubled."""
MANY_NARROW = 2


def may_have_copies(text: str) -> bool:
    """Whether the text looks as if it were drawn twice letter by letter."""
    return bool(DOUBLED.search(text)) or len(NARROW.findall(text)) >= MANY_NARROW


def is_drawn_over(boxes: list[Box]) -> bool:
    """Whether one of a page's pieces of text lies over another one."""
    rows = defaultdict[int, list[Box]](list)
    for box in boxes:
        if box[2] - box[0] > 1.0 and box[3] - box[1] > 1.0:
            rows[int((box[1] + box[3]) / 2 // ROW)].append(box)
    return any(_is_row_drawn_over(row, rows.get(number + 1, [])) for number, row in rows.items())


def _is_row_drawn_over(row: list[Box], next_row: list[Box]) -> bool:
    row.sort()
    for index, box in enumerate(row):
        for other in row[index + 1 :]:
            if other[0] >= box[2]:
                break
            if _lies_over(box, other):
                return True
    return any(_lies_over(box, other) for box in row[:50] for other in next_row[:50])


def _lies_over(box: Box, other: Box) -> bool:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return width > OVERLAP * min(box[2] - box[0], other[2] - other[0]) and height > OVERLAP * min(
        box[3] - box[1], other[3] - other[1]
    )


def copied(text: str, runs: list[Run]) -> set[int]:
    """Offsets of the characters that stand where the same character was drawn before.

    A word goes as a whole, or else its letters are drawn twice one by one: in two texts that lie over each other
    by accident, single letters coincide.
    """
    drawn, copies = Drawn(text), dict[int, Run]()
    at = {run.start: run for run in runs if not text[run.start].isspace()}
    for run in at.values():
        original = drawn.near(run)
        if original:
            copies[run.start] = original
        else:
            drawn.add(run)
    words = WORD.finditer(text) if copies else ()
    return {
        offset
        for word in words
        for offset in _copied_of([o for o in range(*word.span()) if o in at], at, copies, drawn)
    }


def _copied_of(word: list[int], at: dict[int, Run], copies: dict[int, Run], drawn: Drawn) -> list[int]:
    """The offsets of a word that go."""
    marked = [offset for offset in word if offset in copies]
    if all(copies[offset].start in word for offset in marked) or len(marked) == len(word):
        return marked
    if len(marked) * DOUBTFUL < len(word):
        return []
    first = marked[0]
    aside = at[first].left - copies[first].left, at[first].bottom - copies[first].bottom
    return word if all(offset in copies or drawn.at(at[offset], aside) for offset in word) else []


class Drawn:
    """The characters of a page that are drawn, by kind and place."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._cells = defaultdict[tuple[str, int, int], list[Run]](list)

    def add(self, run: Run) -> None:
        """Note a character."""
        self._cells[self._cell(run)].append(run)

    def near(self, run: Run) -> Run | None:
        """The character that this one is drawn over as a copy."""
        char, x, y = self._cell(run)
        near = (self._cells.get((char, x + i, y + j), ()) for i in (-1, 0, 1) for j in (-1, 0, 1))
        return next((other for cell in near for other in cell if _is_copy(run, other)), None)

    def at(self, run: Run, aside: tuple[float, float]) -> Run | None:
        """The character of the same kind that is drawn so far from this one."""
        original = run._replace(left=run.left - aside[0], bottom=run.bottom - aside[1])
        char, x, y = self._cell(original)
        near = (self._cells.get((char, x + i, y + j), ()) for i in (-1, 0, 1) for j in (-1, 0, 1))
        return next((other for cell in near for other in cell if _is_at(original, other) and other != run), None)

    def _cell(self, run: Run) -> tuple[str, int, int]:
        return self._text[run.start], int(run.left // ROW), int(run.bottom // ROW)


def _is_copy(run: Run, other: Run) -> bool:
    aside, above = abs(run.left - other.left), abs(run.bottom - other.bottom)
    return aside < ASIDE * (run.right - run.left) and above < ABOVE * (run.top - run.bottom)


def _is_at(run: Run, other: Run) -> bool:
    return max(abs(run.left - other.left), abs(run.bottom - other.bottom)) < EXACT
