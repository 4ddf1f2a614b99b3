"""A page of a PDF as a reader sees it: drawn in colour, and where its characters stand.

Both go by the page as it is shown, turned by its /Rotate and cut to its crop box; pdfium converts the coordinates.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pypdfium2.raw as pdfium_c

from extractors.boxes import Box, Glyph, Size, box_around
from extractors.options import Options
from extractors.pdf.engine_pdfium import open_page

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["draw_page", "page_glyphs"]

MAX_GLYPHS = 100_000
FINE = 1_000_000
"""pdfium gives whole pixels: places are asked for on a page of so many in each direction."""


def draw_page(path: Path, page_number: int, limits: tuple[int, int], options: Options) -> Image:
    """Draw one page in colour.

    Args:
        path: the PDF.
        page_number: counted from 1.
        limits: pixels of its width and of its height at most.
        options: with the passwords.

    Raises:
        Encrypted, Corrupt: it cannot be opened.
        IndexError: there is no such page.
    """
    with open_page(path, page_number, options) as page:
        width, height = _size(page)
        bitmap = page.render(scale=min(limits[0] / width, limits[1] / height))
        try:
            # a copy, since the picture would outlive the memory that pdfium drew it into
            image: Image = bitmap.to_pil().copy()
        finally:
            bitmap.close()
    return image


def page_glyphs(path: Path, page_number: int, options: Options) -> tuple[Size, list[Glyph]]:
    """(width and height in points, the characters of the text layer in its order). Raises what `draw_page` raises."""
    with open_page(path, page_number, options) as page:
        textpage = page.get_textpage()
        try:
            return _size(page), list(_glyphs(page, textpage))
        finally:
            textpage.close()


def _size(page: Any) -> Size:
    width, height = page.get_size()
    return max(width, 1.0), max(height, 1.0)


def _glyphs(page: Any, textpage: Any) -> Iterator[Glyph]:
    """The characters that are drawn on the page: no space that pdfium has put between them, nothing outside of it."""
    for index in range(min(textpage.count_chars(), MAX_GLYPHS)):
        code = pdfium_c.FPDFText_GetUnicode(textpage, index)
        if not code or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            continue
        box = None if chr(code).isspace() else _box(page, textpage, index)
        if box is not None and pdfium_c.FPDFText_IsGenerated(textpage, index) <= 0:
            yield Glyph(chr(code), box)


def _box(page: Any, textpage: Any, index: int) -> Box | None:
    rect = pdfium_c.FS_RECTF()
    if not pdfium_c.FPDFText_GetLooseCharBox(textpage, index, ctypes.byref(rect)):
        return None
    return box_around(_shown(page, x, y) for x, y in ((rect.left, rect.bottom), (rect.right, rect.top)))


def _shown(page: Any, x: float, y: float) -> tuple[float, float]:
    """A point of the page's own coordinates as shares of the shown page's width and height."""
    across, down = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDF_PageToDevice(page, 0, 0, FINE, FINE, 0, x, y, ctypes.byref(across), ctypes.byref(down))
    return across.value / FINE, down.value / FINE
