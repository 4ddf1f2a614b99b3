"""The engine `pdfium`, through pypdfium2: the fastest and the most faithful of the three."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from extractors.errors import Corrupt, Encrypted
from extractors.options import Options
from extractors.pdf.chars import boxes_of, has_annotations, runs_of
from extractors.pdf.copies import is_drawn_over
from extractors.pdf.drawn import Looks
from extractors.pdf.engine import MAX_BOOKMARKS, Bookmark, Drawn, RawPage, Unread
from extractors.pdf.glyphs import may_be_mended, mended
from extractors.pdf.nesting import endless_drawings, may_nest, without_endless_drawings
from extractors.pdf.placement import Run
from extractors.pdf.structure import LazyStructure, PdfStructure, open_structure

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PdfiumFile", "open_page", "open_pdf", "render", "unlocked"]

MAX_OBJECTS = 2_000
MAX_SIDE = 32_000
"""Tesseract refuses pictures of more than 32,767 pixels in one direction."""

XFA = frozenset({pdfium_c.FORMTYPE_XFA_FULL, pdfium_c.FORMTYPE_XFA_FOREGROUND})

ALEF_LAM = re.compile("[\u0627\u0622\u0623\u0625]\u0644")
"""An alef of any kind and a lam: two letters, or the ligature read backwards."""

# it advises on how to build pypdfium2 whenever a form is of the XFA kind
logging.getLogger("pypdfium2").setLevel(logging.ERROR)

_lock = threading.RLock()
"""pdfium keeps state for the whole process and is not thread-safe."""


class PdfiumFile:
    """An open PDF, read by pdfium."""

    def __init__(self, document: Any, path: Path, structure: LazyStructure, endless: Sequence[int] = ()) -> None:
        self._document = document
        self._endless = endless
        self._path = path
        self.looks = Looks()
        self._structure = structure

    @property
    def page_count(self) -> int:
        """How many pages the file says it has."""
        return len(self._document)

    @property
    def metadata(self) -> dict[str, str]:
        """The entries of the information dictionary that are set."""
        return {key.lower(): value for key, value in self._document.get_metadata_dict(skip_empty=True).items()}

    def page(self, index: int) -> RawPage:
        """Read one page, with its form fields and annotations."""
        with _page(self._document, index) as page:
            text, over = self._text(page, index)
            drawn = self.looks.at(page, text)
        return RawPage(text, self._document.get_page_label(index) or None, drawn, overlay=over)

    def drawn(self, index: int, text: str) -> Drawn:
        """What is drawn on a page whose text layer another engine read."""
        with _page(self._document, index) as page:
            return self.looks.at(page, text)

    def _text(self, page: Any, index: int) -> tuple[str, str]:
        """(the page's text with its annotations, these alone)."""
        textpage = page.get_textpage()
        try:
            text = _with_lam_alef(textpage, textpage.get_text_range())
            runs: list[Run] | None = None
            if may_be_mended(text) or is_drawn_over(boxes_of(textpage)):
                text, runs = mended(text, runs_of(textpage, text))
            is_xfa = index == 0 and pdfium_c.FPDF_GetFormType(self._document) in XFA
            if not is_xfa and not has_annotations(page):
                return text, ""
            return self._structure.annotated(text, lambda: runs_of(textpage, text) if runs is None else runs, index)
        finally:
            textpage.close()

    def unread(self) -> Unread:
        """Name the attached files, and what could not be read of the structure."""
        attachments = pdfium_c.FPDFDoc_GetAttachmentCount(self._document) > 0 or _names_embedded_file(self._path)
        unread = self._structure.unread(attachments=attachments)
        return unread._replace(missing=[*endless_drawings(self._endless), *unread.missing])

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
    with _lock, _open(path, options) as (document, endless), _structure(document, path) as structure:
        yield PdfiumFile(document, path, structure, endless)


def render(path: Path, page_number: int, options: Options) -> Image:
    """Draw one page in grey at `options.ocr_dpi`, or less where `options.max_image_pixels` asks for it.

    Raises:
        Encrypted, Corrupt: as `open_pdf`.
        IndexError: there is no such page.
    """
    with open_page(path, page_number, options) as page:
        return _drawing(page, options)


@contextmanager
def open_page(path: Path, page_number: int, options: Options) -> Iterator[Any]:
    """Open one page to be drawn, with its form fields.

    Raises:
        Encrypted, Corrupt: as `open_pdf`.
        IndexError: there is no such page.
    """
    with _lock, _open(path, options, page_number) as (document, _):
        if not 1 <= page_number <= len(document):
            raise IndexError(f"The file has {len(document)} pages; page {page_number} was asked for.")
        _start_form(document, path)
        with _page(document, page_number - 1) as page:
            yield page


def unlocked(path: Path, options: Options) -> BytesIO:
    """Return an encrypted PDF's bytes without the encryption, for an engine that cannot take it away itself.

    Raises:
        Encrypted, Corrupt: as `open_pdf`.
    """
    with _lock, _open(path, options) as (document, _):
        return _without_encryption(document)


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
def _open(path: Path, options: Options, page_number: int | None = None) -> Iterator[tuple[Any, list[int]]]:
    """(the document, the numbers of the pages whose endless drawings are left out of it).

    Args:
        path: of the file.
        options: with its passwords.
        page_number: the only page that will be drawn; None for all.
    """
    with ExitStack() as opened:
        document = _unlock(path, options)
        opened.callback(document.close)
        bounded, endless = _bounded(document, path, page_number) if may_nest(path) else (document, [])
        if bounded is not document:
            opened.callback(bounded.close)
        yield bounded, endless


def _bounded(document: Any, path: Path, page_number: int | None) -> tuple[Any, list[int]]:
    """The document without drawings that take for ever; itself where it has none, or its objects cannot be read."""
    with _stream(document, path) as stream:
        plain, endless = without_endless_drawings(stream, page_number)
    return (pdfium.PdfDocument(plain), endless) if endless else (document, [])


@contextmanager
def _structure(document: Any, path: Path) -> Iterator[LazyStructure]:
    with ExitStack() as streams:

        def opened() -> PdfStructure:
            return open_structure(streams.enter_context(_stream(document, path)))

        yield LazyStructure(opened)


def _stream(document: Any, path: Path) -> IO[bytes]:
    """The file's bytes, without its encryption."""
    encrypted = pdfium_c.FPDF_GetSecurityHandlerRevision(document) >= 0
    return _without_encryption(document) if encrypted else path.open("rb")


def _names_embedded_file(path: Path) -> bool:
    """Whether the file says that a file is attached: by the type of its stream, or by what points to the stream."""
    with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
        return re.search(rb"/EmbeddedFile|/EF[\s<]", data) is not None


def _without_encryption(document: Any) -> BytesIO:
    plain = BytesIO()
    document.save(plain, flags=pdfium_c.FPDF_REMOVE_SECURITY)
    plain.seek(0)
    return plain


def _start_form(document: Any, path: Path) -> None:
    """Let pdfium draw form fields. It walks the whole form for it, so that one that never ends is not started."""
    if pdfium_c.FPDF_GetFormType(document) == pdfium_c.FORMTYPE_NONE:
        return
    with _structure(document, path) as lazy:
        structure = lazy()
        if structure and structure.has_bounded_form():
            document.init_forms()


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


def _with_lam_alef(textpage: Any, text: str) -> str:
    """Mend the Arabic ligature lam-alef: pdfium turns the letters of the one glyph round with the line."""
    letters = list(text)
    for match in ALEF_LAM.finditer(text):
        at = pdfium_c.FPDFText_GetCharIndexFromTextIndex(textpage, match.start())
        drawn = [chr(pdfium_c.FPDFText_GetUnicode(textpage, index)) for index in (at, at + 1)] if at >= 0 else []
        if drawn == list(match[0]) and textpage.get_charbox(at) == textpage.get_charbox(at + 1):
            letters[match.start() : match.end()] = reversed(match[0])
    return "".join(letters)
