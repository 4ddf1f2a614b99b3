"""What is drawn on a page of a PDF: how much of it pictures cover, how much of that lies under no text, outlines.

Areas are counted on a grid, as a union: a scan that a program cut into strips or tiles covers the page as a whole one.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field, replace
from time import process_time
from typing import TYPE_CHECKING, Any

import pypdfium2.raw as pdfium_c

from extractors.pdf.engine import Drawn
from extractors.pdf.fonts import unmapped_of
from extractors.pdf.grid import UNIT, Box, Grid, Matrix, moved, product
from extractors.pdf.ink import INK_DPI, writing_share
from extractors.pdf.pages_for_ocr import needs_look
from extractors.pdf.stamps import stamps_on
from extractors.pdf.trust import hardly_letters, needs_font_look

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Looks", "drawn_on", "text_boxes"]

MAX_OBJECTS = 50_000
MAX_DEPTH = 8
MAX_TEXT_BOXES = 20_000
GLYPH_SIDE = 0.12
"""A filled path with longer sides than this share of the page is a ground, a frame or a bar, and no glyph."""
LINE_SEGMENTS = 6
"""A path of fewer segments is a rule or a box."""

COVERING = 0.5
"""A picture of at least this share of the page hides what was drawn before it."""
PATTERN_GREY = (191, 191, 191)
LEAST_PAINTED = 0.01
"""Share of a page that looks like writing from which a pattern on it is taken for a picture, and no plain ground."""
LEAST_PICTURE = 0.04
"""Pictures that together cover less of a page are not looked at: logos, icons, bullets."""
MAX_OUTLINES = 1_000_000
MAX_LOOK_SIDE = 1_600
"""Pixels of the longer side of a page that is looked at."""
MAX_LOOKS = 100
"""Pages of one file that are drawn only to be looked at; further ones are judged by areas alone."""
MAX_LOOK_SECONDS = 20.0
"""Seconds of computing that a file's pages may take for it; some drawings of maps take that for one page."""
COVERED_AROUND = 0.6
"""Around a line of text, in heights of the line: a recognised layer does not lie exactly on its scan."""


@dataclass(slots=True)
class _Seen:
    """What the objects of a page add up to."""

    pictures: Grid
    patterns: Grid
    budget: int = MAX_OBJECTS
    outlines: int = 0
    texts: int = 0
    hidden: int = 0
    marked: bool = False
    buffer: Any = field(default_factory=lambda: [ctypes.c_float() for _ in range(4)])
    colour: Any = field(default_factory=lambda: [ctypes.c_uint() for _ in range(4)])

    def add_picture(self, box: Box) -> None:
        """Count a picture; one of the page's size hides the text that was drawn before it."""
        self.pictures.add(box)
        left, bottom, right, top = self.pictures.page
        if (box[2] - box[0]) * (box[3] - box[1]) >= COVERING * (right - left) * (top - bottom):
            self.hidden = self.texts


class Looks:
    """Pages of one file, looked at while the file's share of time for drawing them lasts."""

    def __init__(self) -> None:
        self._left = MAX_LOOKS
        self._seconds = MAX_LOOK_SECONDS

    def at(self, page: Any, text: str) -> Drawn:
        """Tell what is drawn on an open page with this text layer; the page is to be closed afterwards."""
        unmapped, unmapped_text = unmapped_of(page) if needs_font_look(text) else (0.0, "")
        begun = process_time()
        drawn = drawn_on(page, text, look=self._left > 0 and self._seconds > 0)
        self._seconds -= process_time() - begun
        self._left -= drawn.writing is not None
        return replace(drawn, unmapped=unmapped, unmapped_text=unmapped_text)


def drawn_on(page: Any, text: str, *, look: bool = True) -> Drawn:
    """Tell what is drawn on a page that pdfium has open.

    Args:
        page: to be closed afterwards, as its text may have been made invisible.
        text: its text layer.
        look: whether the page may be drawn, which costs up to a second, where only that can decide.
    """
    seen = _Seen(Grid(_bounds(page)), Grid(_bounds(page)))
    _look(page.raw, pdfium_c.FPDFPage_CountObjects, pdfium_c.FPDFPage_GetObject, UNIT, MAX_DEPTH, seen)
    stamps = stamps_on(page)
    for box in stamps.pictures:
        seen.pictures.add(box)
    covered = seen.pictures.share
    bare = seen.pictures.without(_text(page)).share if covered >= LEAST_PICTURE else 0.0
    drawn = Drawn(
        covered, bare, seen.outlines, stamps.count, seen.marked or stamps.marked, 2 * seen.hidden > seen.texts
    )
    painted = seen.patterns.share >= COVERING and bool(text.strip())
    drawable = look and seen.budget > 0 and seen.outlines <= MAX_OUTLINES
    if not drawable or not (painted or needs_look(drawn, text)):
        return drawn
    writing = _writing(page, text)
    if painted and writing >= LEAST_PAINTED:
        drawn = replace(drawn, pictures=seen.patterns.share, bare=max(bare, seen.patterns.without(_text(page)).share))
    return replace(drawn, writing=writing)


def text_boxes(page: Any) -> list[Box]:
    """The boxes of the page's lines of text, or of parts of lines."""
    textpage = page.get_textpage()
    left, top, right, bottom = numbers = [ctypes.c_double() for _ in range(4)]
    try:
        return [
            (left.value, bottom.value, right.value, top.value)
            for index in range(min(pdfium_c.FPDFText_CountRects(textpage, 0, -1), MAX_TEXT_BOXES))
            if pdfium_c.FPDFText_GetRect(textpage, index, *numbers)
        ]
    finally:
        textpage.close()


def _bounds(page: Any) -> Box:
    left, bottom, right, top = page.get_bbox()
    return left, bottom, max(right, left + 1.0), max(top, bottom + 1.0)


def _text(page: Any) -> Grid:
    """The cells that text stands on, with the gaps between its lines and words."""
    grid = Grid(_bounds(page))
    highest = (grid.page[3] - grid.page[1]) / 4
    for left, bottom, right, top in text_boxes(page):
        gap = top - bottom
        if 0 < gap <= highest:
            grid.add((left - gap, bottom - gap, right + gap, top + gap))
    return grid


def _look(holder: Any, count: Any, get: Any, matrix: Matrix, depth: int, seen: _Seen) -> None:
    """Add up the objects of a page or of a form XObject."""
    for index in range(count(holder)):
        seen.budget -= 1
        if seen.budget < 0:
            return
        item = get(holder, index)
        kind = pdfium_c.FPDFPageObj_GetType(item)
        seen.marked = True
        if kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
            seen.texts += 1
            seen.hidden += pdfium_c.FPDFTextObj_GetTextRenderMode(item) == pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE
        elif kind == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            seen.add_picture(moved((0.0, 0.0, 1.0, 1.0), product(_matrix(item), matrix)))
        elif kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            seen.outlines += _outlines(item, matrix, seen)
            if _may_be_pattern(item, seen):
                seen.patterns.add(moved(_box(seen.buffer), matrix))
        elif kind == pdfium_c.FPDF_PAGEOBJ_FORM and depth:
            inner = product(_matrix(item), matrix)
            _look(item, pdfium_c.FPDFFormObj_CountObjects, pdfium_c.FPDFFormObj_GetObject, inner, depth - 1, seen)


def _outlines(path: Any, matrix: Matrix, seen: _Seen) -> int:
    """How many segments of glyphs the path may hold; 0 for rules, boxes and grounds."""
    segments = pdfium_c.FPDFPath_CountSegments(path)
    if segments < LINE_SEGMENTS:
        return 0
    if not pdfium_c.FPDFPageObj_GetBounds(path, *seen.buffer):
        return 0
    box = moved(_box(seen.buffer), matrix)
    sides = seen.pictures.page
    height = (box[3] - box[1]) / (sides[3] - sides[1])
    width = (box[2] - box[0]) / (sides[2] - sides[0])
    # a whole line, or a whole page, may be one path: then it has the segments of many glyphs
    return segments if min(width, height) <= GLYPH_SIDE or segments >= 40 * LINE_SEGMENTS else 0


def _box(numbers: Any) -> Box:
    left, bottom, right, top = numbers
    return left.value, bottom.value, right.value, top.value


def _may_be_pattern(path: Any, seen: _Seen) -> bool:
    """Whether a path may be filled with a pattern, which may hold a scan; its bounds are then in the buffer.

    pdfium gives one and the same grey for the colour of every pattern.
    """
    colour = seen.colour
    return bool(
        pdfium_c.FPDFPageObj_GetFillColor(path, *colour)
        and tuple(part.value for part in colour[:3]) == PATTERN_GREY
        and pdfium_c.FPDFPageObj_GetBounds(path, *seen.buffer)
    )


def _matrix(item: Any) -> Matrix:
    values = pdfium_c.FS_MATRIX()
    if not pdfium_c.FPDFPageObj_GetMatrix(item, values):
        return UNIT
    return values.a, values.b, values.c, values.d, values.e, values.f


def _writing(page: Any, text: str) -> float:
    """Draw the page without its text layer, and see how much of what is left looks like writing.

    Where the text layer has hardly any letters, glyphs that it does not name are left as well.
    """
    boxes = text_boxes(page)
    if not hardly_letters(text):
        _hide_text(page.raw, pdfium_c.FPDFPage_CountObjects, pdfium_c.FPDFPage_GetObject, MAX_DEPTH)
    page.set_rotation(0)
    left, bottom, right, top = _bounds(page)
    scale = min(INK_DPI / 72, MAX_LOOK_SIDE / max(right - left, top - bottom))
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        grey: Image = bitmap.to_pil().convert("L")
    finally:
        bitmap.close()
    return writing_share(grey, _covered(boxes, grey.size, (left, bottom, right, top), scale))


def _hide_text(holder: Any, count: Any, get: Any, depth: int) -> None:
    """Make text objects invisible: what is left on the page is what the text layer does not hold."""
    for index in range(count(holder)):
        item = get(holder, index)
        kind = pdfium_c.FPDFPageObj_GetType(item)
        if kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
            pdfium_c.FPDFTextObj_SetTextRenderMode(item, pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE)
        elif kind == pdfium_c.FPDF_PAGEOBJ_FORM and depth:
            _hide_text(item, pdfium_c.FPDFFormObj_CountObjects, pdfium_c.FPDFFormObj_GetObject, depth - 1)


def _covered(boxes: list[Box], size: tuple[int, int], page: Box, scale: float) -> Image:
    """Where the text layer has text, on a picture of the page: there it may cover writing of a scan."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    covered = Pillow.new("L", size, 0)
    draw = ImageDraw.Draw(covered)
    for left, bottom, right, top in boxes:
        gap = COVERED_AROUND * (top - bottom)
        if gap > 0 and top - bottom <= (page[3] - page[1]) / 4:
            x, y = (left - page[0] - gap) * scale, (page[3] - top - gap) * scale
            draw.rectangle((x, y, (right - page[0] + gap) * scale, (page[3] - bottom + gap) * scale), fill=255)
    return covered
