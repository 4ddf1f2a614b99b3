"""A plain picture of a text, for formats whose pages cannot be drawn: lines of 90 columns in a typewriter's grid.

Each character stands in a cell of its own, so that where it stands follows from the text alone and is the same on every
machine, whichever font draws it. A text without pages is drawn on sheets of 60 lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

from extractors.boxes import Box, Place, Size
from extractors.drawing.picture import Look, Picture, encode

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont
    from PIL.ImageFont import ImageFont as PlainFont

__all__ = ["LINES", "draw_sheet", "sheet_places", "sheet_size", "sheets"]

COLUMNS, LINES = 90, 60
MOST_LINES = 240
"""Lines of the longest sheet: of a page with more text, as an export without page breaks is, the end is not drawn."""
TAB = 4

MARGIN, LINE_HEIGHT = 5, 2.1
"""Width of the margin, and height of a line, in widths of a cell."""
DRAWN_WIDTH = 1200
"""Pixels; a smaller picture is made of one of this width: letters of two pixels cannot be drawn."""
FONTS = ("DejaVuSansMono.ttf", "LiberationMono-Regular.ttf")
"""Taken where they are installed; the font that comes with Pillow has no other scripts than Latin."""
LETTER = 1.66
"""Height of the letters, in widths of a cell."""
INK = (25, 25, 25)

Line = tuple[int, int]
"""Where a line begins and ends in the text."""


def sheets(text: str) -> list[Line]:
    """The span of text on each sheet, in order, without the space or line end between two sheets.

    A text without characters has one empty sheet.
    """
    lines = list(_lines(text))
    return [(lines[at][0], lines[min(at + LINES, len(lines)) - 1][1]) for at in range(0, len(lines), LINES)]


def sheet_size(text: str) -> Size:
    """Width and height of the sheet with this text, in widths of a cell."""
    return _size(min(MOST_LINES, sum(1 for _ in _lines(text))))


def sheet_places(text: str) -> list[Place]:
    """Where the characters of a sheet's text stand; those beyond its last line have no place."""
    lines = list(_lines(text))[:MOST_LINES]
    width, height = _size(len(lines))
    places = []
    for row, line in enumerate(lines):
        top = MARGIN + row * LINE_HEIGHT
        for start, end, column, cells in _cells(text, line):
            left = MARGIN + column
            box = Box(left / width, top / height, (left + cells) / width, (top + LINE_HEIGHT) / height)
            places.append(Place(start, end, box))
    return places


def draw_sheet(text: str, look: Look) -> Picture:
    """Draw the sheet with this text."""
    return encode(_drawing(text, max(DRAWN_WIDTH, look.width)), look)


def _drawing(text: str, pixels: int) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageDraw

    width, height = sheet_size(text)
    cell = pixels / width
    image, font = Pillow.new("RGB", (pixels, round(height * cell)), "white"), _font(round(LETTER * cell))
    draw = ImageDraw.Draw(image)
    for start, end, box in sheet_places(text):
        middle = (box.left + box.right) / 2 * image.width
        base = (box.top + (box.bottom - box.top) * 0.78) * image.height
        draw.text((middle, base), text[start:end], fill=INK, font=font, anchor="ms")
    return image


@lru_cache(maxsize=4)
def _font(size: int) -> FreeTypeFont | PlainFont:
    from PIL import ImageFont

    for name in FONTS:
        try:
            return ImageFont.truetype(name, size, layout_engine=ImageFont.Layout.BASIC)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _size(lines: int) -> Size:
    return COLUMNS + 2.0 * MARGIN, max(LINES, lines) * LINE_HEIGHT + 2.0 * MARGIN


def _lines(text: str) -> Iterator[Line]:
    """The lines of a text, long ones wrapped between two words where that can be."""
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        yield from _wrapped(text, start, end)
        start = end + 1


def _wrapped(text: str, start: int, end: int) -> Iterator[Line]:
    while (stop := _fitting(text, start, end)) < end:
        space = text.rfind(" ", start + 1, stop + 1)
        yield start, (space if space > 0 else stop)
        start = space + 1 if space > 0 else stop
    yield start, end


def _fitting(text: str, start: int, end: int) -> int:
    """The end of the longest line from here that has at most `COLUMNS` cells."""
    if text[start : start + COLUMNS].isascii() and "\t" not in text[start : start + COLUMNS]:
        return min(end, start + COLUMNS)
    width = 0
    for at in range(start, end):
        width += _width(text[at])
        if width > COLUMNS:
            return at
    return end


def _cells(text: str, line: Line) -> Iterator[tuple[int, int, int, int]]:
    """(start, end, column, cells) of each visible character, with the accents that follow it."""
    column, at = 0, line[0]
    while at < line[1]:
        start, cells = at, _width(text[at])
        at += 1
        while at < line[1] and _width(text[at]) == 0:
            at += 1
        if cells and not text[start].isspace():
            yield start, at, column, cells
        column += cells


@lru_cache(maxsize=4096)
def _width(character: str) -> int:
    """Cells of a character: none for accents and what is not printed, two for Chinese and the like."""
    if character == "\t":
        return TAB
    if combining(character) or not (character.isprintable() or character.isspace()):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
