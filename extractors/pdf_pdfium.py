"""The engine `pdfium`, through pypdfium2: the fastest and the most faithful of the three."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from extractors.errors import Corrupt, Encrypted
from extractors.options import Options
from extractors.pdf_drawn import Looks
from extractors.pdf_engine import MAX_BOOKMARKS, Bookmark, Drawn, RawPage

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PdfiumFile", "open_pdf", "render", "unlocked"]

MAX_OBJECTS = 2_000
MAX_SIDE = 32_000
"""Tesseract refuses pictures of more than 32,767 pixels in one direction."""

ALEF_LAM = re.compile("[\u0627\u0622\u0623\u0625]\u0644")
"""An alef of any kind and a lam: two letters, or the ligature read backwards."""

# it advises on how to build pypdfium2 whenever a form is of the XFA kind
logging.getLogger("pypdfium2").setLevel(logging.ERROR)

_lock = threading.RLock()
"""pdfium keeps state for the whole process and is not thread-safe."""


class PdfiumFile:
    """An open PDF, read by pdfium."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self.looks = Looks()

    @property
    def page_count(self) -> int:
        """How many pages the file says it has."""
        return len(self._document)

    @property
    def metadata(self) -> dict[str, str]:
        """The entries of the information dictionary that are set."""
        return {key.lower(): value for key, value in self._document.get_metadata_dict(skip_empty=True).items()}

    def page(self, index: int) -> RawPage:
        """Read one page, with what is filled into its form fields."""
        with _page(self._document, index) as page:
            text = _text(page)
            drawn = self.looks.at(page, text)
        return RawPage(text, self._document.get_page_label(index) or None, drawn)

    def drawn(self, index: int, text: str) -> Drawn:
        """What is drawn on a page whose text layer another engine read."""
        with _page(self._document, index) as page:
            return self.looks.at(page, text)

    def outline(self) -> Iterator[Bookmark]:
        """Yield the bookmarks that point to a page."""
        for mark in islice(self._document.get_toc(), MAX_BOOKMARKS):
            target = mark.get_dest()
            index = target.get_index() if target else None
            if index is not None:
                yield Bookmark(mark.level, mark.get_title(), index)


@contextmanager
def open_pdf(path: Path, options: Options) -> Iterator[PdfiumFile]:
    """Open a PDF, with the empty or one of the given passwords.

    Raises:
        Encrypted: no password opens it, or its encryption is unknown to pdfium.
        Corrupt: it is no PDF that pdfium can repair.
    """
    with _lock, _open(path, options) as document:
        yield PdfiumFile(document)


def render(path: Path, page_number: int, options: Options) -> Image:
    """Draw one page in grey at `options.ocr_dpi`, or less where `options.max_image_pixels` asks for it.

    Raises:
        Encrypted, Corrupt: as `open_pdf`.
        IndexError: there is no such page.
    """
    with _lock, _open(path, options) as document:
        if not 1 <= page_number <= len(document):
            raise IndexError(f"The file has {len(document)} pages; page {page_number} was asked for.")
        with _page(document, page_number - 1) as page:
            return _drawing(page, options)


def unlocked(path: Path, options: Options) -> BytesIO:
    """Return an encrypted PDF's bytes without the encryption, for an engine that cannot take it away itself.

    Raises:
        Encrypted, Corrupt: as `open_pdf`.
    """
    plain = BytesIO()
    with _lock, _open(path, options) as document:
        document.save(plain, flags=pdfium_c.FPDF_REMOVE_SECURITY)
    plain.seek(0)
    return plain


def _drawing(page: Any, options: Options) -> Image:
    width, height = page.get_size()
    scale = _scale(width, height, options)
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        # a copy, since the picture would outlive the memory that pdfium drew it into
        image: Image = bitmap.to_pil().copy()
    finally:
        bitmap.close()
    image.info["dpi"] = (72 * scale, 72 * scale)
    return image


def _scale(width: float, height: float, options: Options) -> float:
    """Pixels per point: the asked resolution within the limits on area and side."""
    width, height = max(width, 1.0), max(height, 1.0)
    by_area = math.sqrt(options.max_image_pixels / (width * height))
    return min(options.ocr_dpi / 72, by_area, MAX_SIDE / max(width, height))


@contextmanager
def _open(path: Path, options: Options) -> Iterator[Any]:
    document = _unlock(path, options)
    try:
        document.init_forms()
        yield document
    finally:
        document.close()


def _unlock(path: Path, options: Options) -> Any:
    for password in ("", *options.passwords):
        try:
            return pdfium.PdfDocument(path, password=password or None)
        except pdfium.PdfiumError as error:
            if error.err_code == pdfium_c.FPDF_ERR_SECURITY:
                raise Encrypted("The PDF uses an encryption that is not supported.") from error
            if error.err_code != pdfium_c.FPDF_ERR_PASSWORD:
                raise Corrupt("The PDF is damaged beyond repair.") from error
    raise Encrypted


@contextmanager
def _page(document: Any, index: int) -> Iterator[Any]:
    page = document[index]
    try:
        yield page
    finally:
        page.close()


def _text(page: Any) -> str:
    """The page's text in pdfium's order, then the values of its form fields."""
    textpage = page.get_textpage()
    try:
        text = _with_lam_alef(textpage, textpage.get_text_range())
    finally:
        textpage.close()
    fields = [value for value in _field_values(page) if value.strip()] if page.formenv else []
    return "\n".join([text, *fields]) if fields else text


def _with_lam_alef(textpage: Any, text: str) -> str:
    """Mend the Arabic ligature lam-alef: pdfium turns the letters of the one glyph round with the line."""
    letters = list(text)
    for match in ALEF_LAM.finditer(text):
        at = pdfium_c.FPDFText_GetCharIndexFromTextIndex(textpage, match.start())
        drawn = [chr(pdfium_c.FPDFText_GetUnicode(textpage, index)) for index in (at, at + 1)] if at >= 0 else []
        if drawn == list(match[0]) and textpage.get_charbox(at) == textpage.get_charbox(at + 1):
            letters[match.start() : match.end()] = reversed(match[0])
    return "".join(letters)


def _field_values(page: Any) -> Iterator[str]:
    """What is filled into the page's form; pdfium's text leaves it out, since fields are drawn apart."""
    for index in range(min(pdfium_c.FPDFPage_GetAnnotCount(page), MAX_OBJECTS)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page, index)
        if annotation:
            try:
                yield _field_value(page.formenv, annotation)
            finally:
                pdfium_c.FPDFPage_CloseAnnot(annotation)


def _field_value(form: Any, annotation: Any) -> str:
    kind = pdfium_c.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind not in {pdfium_c.FPDF_FORMFIELD_TEXTFIELD, pdfium_c.FPDF_FORMFIELD_COMBOBOX}:
        return ""
    size = pdfium_c.FPDFAnnot_GetFormFieldValue(form, annotation, None, 0)
    buffer = (pdfium_c.FPDF_WCHAR * (size // 2))()
    pdfium_c.FPDFAnnot_GetFormFieldValue(form, annotation, buffer, size)
    return bytes(buffer)[: max(0, size - 2)].decode("utf-16-le", errors="replace")
