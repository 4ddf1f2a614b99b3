"""A page of a file as a picture, and where the characters of its text stand on it.

A PDF is drawn by pdfium, a picture is decoded, and a format of a plug-in is drawn by its own renderer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from extractors.boxes import Glyph, Place, Size
from extractors.drawing.alignment import find_places
from extractors.drawing.picture import MAX_HEIGHT, Look, Picture, encode
from extractors.options import Options
from extractors.reading import extract_errors
from extractors.registry import find_renderer
from extractors.sniff import sniff

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["draw_page", "page_places"]

PDF = "application/pdf"


def draw_page(path: Path, number: int, look: Look, options: Options) -> Picture:
    """Draw a page, counted from 1.

    Raises:
        ExtractError: the file cannot be read, or has no such page.
        OSError: the system does not give the file.
    """
    with extract_errors():
        if sniff(path, options) == PDF:
            from extractors.pdf.page_view import draw_page as draw_pdf_page

            return encode(draw_pdf_page(path, number, (look.width, MAX_HEIGHT), options), look)
        return encode(_in_colour(_rendered(path, number, options)), look)


def page_places(path: Path, number: int, text: str, options: Options, *, ocr: bool) -> tuple[Size, list[Place]]:
    """Find the characters of a page's text where they are drawn.

    Args:
        path: the file.
        number: of the page, counted from 1.
        text: of the page, as it was extracted; empty if only the size is wanted.
        options: how the file was read.
        ocr: whether the text, or some of it, is OCR's: the page is then read by OCR once more.

    Returns:
        Width and height of the page (points of a PDF, pixels of a picture), and the places in the order of the text:
        those of the text layer, and of OCR where that has none.

    Raises:
        ExtractError: as `draw_page`, and those of OCR.
        OSError: as `draw_page`.
    """
    with extract_errors():
        size, glyphs = _drawn(path, number, options)
        places = find_places(text, glyphs) if text else []
        if text and ocr:
            places = _with_missing(places, _read_places(path, number, text, options))
        return size, places


def _drawn(path: Path, number: int, options: Options) -> tuple[Size, list[Glyph]]:
    if sniff(path, options) == PDF:
        from extractors.pdf.page_view import page_glyphs

        return page_glyphs(path, number, options)
    width, height = _rendered(path, number, options).size
    return (float(width), float(height)), []


def _read_places(path: Path, number: int, text: str, options: Options) -> list[Place]:
    from extractors.pictures.tesseract import locate_words

    return find_places(text, locate_words(_rendered(path, number, options), options))


def _with_missing(places: list[Place], others: list[Place]) -> list[Place]:
    """The places, and those of the others that are about no character which has a place already."""
    taken = {at for place in places for at in range(place.start, place.end)}
    missing = (place for place in others if taken.isdisjoint(range(place.start, place.end)))
    return sorted([*places, *missing])


def _rendered(path: Path, number: int, options: Options) -> Image:
    """The page as it is read by OCR."""
    return find_renderer(sniff(path, options))(path, number, options)


def _in_colour(image: Image) -> Image:
    """The picture on white ground in 8 bits a colour, whatever its mode is."""
    from PIL import Image as Pillow

    from extractors.pictures.page_image import from_deep

    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return from_deep(image)
    if image.mode == "LAB":
        return image.getchannel("L")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Pillow.alpha_composite(Pillow.new("RGBA", clear.size, "white"), clear)
    return image
