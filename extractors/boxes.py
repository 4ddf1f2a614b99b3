"""Where characters stand on a page: boxes as shares of its width and height, and the boxes of a passage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Box", "Glyph", "Place", "Size", "box_around", "checked_box", "passage_boxes"]

Size = tuple[float, float]
"""Width and height of a page, in any one unit."""

APART = 1.5
"""Two neighbours in a passage stand in one line if the gap between them is at most so many heights of the line."""


class Box(NamedTuple):
    """A rectangle on a page, from its upper left corner: 0 to 1 across, 0 to 1 down."""

    left: float
    top: float
    right: float
    bottom: float


def checked_box(left: float, top: float, right: float, bottom: float) -> Box:
    """A box from numbers that came from elsewhere. Raises ValueError: they are none of a box on a page."""
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError("The numbers are no box on a page.")
    return Box(left, top, right, bottom)


@dataclass(frozen=True, slots=True)
class Glyph:
    """What is drawn in one place of a page: a character, a ligature, or a word that OCR read."""

    text: str
    box: Box


class Place(NamedTuple):
    """The characters of a page's text from `start` to `end` are drawn in this box."""

    start: int
    end: int
    box: Box


def box_around(points: Iterable[tuple[float, float]]) -> Box | None:
    """The smallest box with these points in it, as far as it lies on the page; None if nothing of it does."""
    across, down = zip(*points, strict=True)
    sides = (min(across), min(down), max(across), max(down))
    left, top, right, bottom = (min(1.0, max(0.0, side)) for side in sides)
    return Box(left, top, right, bottom) if left < right and top < bottom else None


def passage_boxes(places: Iterable[Place], start: int, end: int, size: Size) -> list[Box]:
    """The boxes of the characters from `start` to `end`: one for each line, or column of vertical writing.

    Args:
        places: of the page's text, in its order. A place that the passage cuts counts whole.
        start: the first character of the passage.
        end: the character behind it.
        size: of the page: shares of its width and of its height are different lengths.
    """
    chosen = [place.box for place in places if place.start < end and start < place.end]
    is_vertical = _is_vertical(chosen, size)
    boxes: list[Box] = []
    for last, box in zip([None, *chosen], chosen, strict=False):
        if last is not None and _is_in_line(last, box, size, vertical=is_vertical):
            boxes[-1] = _union(boxes[-1], box)
        else:
            boxes.append(box)
    return boxes


def _is_vertical(boxes: Sequence[Box], size: Size) -> bool:
    """Whether most characters stand above or below the one before: vertical writing, or a page on its side."""
    steps = [
        (abs(other.left + other.right - one.left - one.right), abs(other.top + other.bottom - one.top - one.bottom))
        for one, other in pairwise(boxes)
    ]
    return 2 * sum(down * size[1] > across * size[0] for across, down in steps) > len(steps)


def _is_in_line(one: Box, other: Box, size: Size, *, vertical: bool) -> bool:
    """Whether a character stands close to the one before it in the text, in the same line."""
    across = _Spans(one.left, one.right, other.left, other.right)
    down = _Spans(one.top, one.bottom, other.top, other.bottom)
    along, over = (down, across) if vertical else (across, down)
    unit = size[0] / size[1] if vertical else size[1] / size[0]  # of the one direction in that of the other
    return over.gap <= -over.least / 2 and along.gap <= APART * over.most * unit


class _Spans(NamedTuple):
    """Where two boxes begin and end in one direction."""

    start: float
    end: float
    other_start: float
    other_end: float

    @property
    def gap(self) -> float:
        """How far apart they are; negative by how much they overlap."""
        return max(self.start, self.other_start) - min(self.end, self.other_end)

    @property
    def least(self) -> float:
        """The length of the shorter one."""
        return min(self.end - self.start, self.other_end - self.other_start)

    @property
    def most(self) -> float:
        """The length of the longer one."""
        return max(self.end - self.start, self.other_end - self.other_start)


def _union(one: Box, other: Box) -> Box:
    return Box(
        min(one.left, other.left), min(one.top, other.top), max(one.right, other.right), max(one.bottom, other.bottom)
    )
