"""PDF: text by page in reading order, sections from the outline, and which pages need OCR.

The engine reads (`options.pdf_engine`); what its output means is decided here, the same for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

from extractors.document import PAGE_SEPARATOR, Document, Layer, Page, Section
from extractors.errors import Corrupt, TooLarge
from extractors.options import Options
from extractors.page_numbers import page_list
from extractors.pdf.engine import Bookmark, OpenPdf, PdfFile, RawPage, Unread
from extractors.pdf.pages_for_ocr import unread_pictures, why_ocr
from extractors.pdf.second_reading import with_second_readings
from extractors.pdf.text import is_garbage, tidy
from extractors.pdf.trust import why_distrusted
from extractors.registry import extractor, renderer

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ENGINES", "extract_pdf", "render_page"]

ENGINES = {
    "pdfium": "extractors.pdf.engine_pdfium",
    "pypdf": "extractors.pdf.engine_pypdf",
    "pypdf2": "extractors.pdf.engine_pypdf2",
}
"""Engine name to the module whose `open_pdf` it is; imported when asked for."""

MAX_TITLE = 300
SEARCHED_CHARS = 100_000
NOT_READ = "Not read by OCR, as the setting `ocr` is `off`:"


@extractor("application/pdf", suffixes=(".pdf",))
def extract_pdf(path: Path, options: Options) -> Document:
    """Read a PDF with the engine that the options name.

    Raises:
        Encrypted: no password opens it.
        Corrupt: it cannot be opened, or none of its pages can be read.
        TooLarge: more than `options.max_pages` or `options.max_chars`.
        Unsupported: the engine is not installed.
    """
    open_pdf = cast(OpenPdf, import_module(ENGINES[options.pdf_engine]).open_pdf)
    with open_pdf(path, options) as pdf:
        if pdf.page_count > options.max_pages:
            raise TooLarge(f"The PDF has {pdf.page_count} pages; `max_pages` allows {options.max_pages}.")
        raws = _bounded(_read(pdf), options)
        bookmarks, metadata, warnings = _extras(pdf)
        beside = _beside(pdf)
    if not any(raws):
        raise Corrupt("The PDF has no page that can be read.")
    pages = _pages(with_second_readings(raws, path, options), options)
    sections = tuple(_sections(bookmarks, pages))
    missing = (*_unread(raws), *_left_out(pages), *beside.missing)
    sentences = (*warnings, *missing, *beside.repeated)
    return Document("application/pdf", pages, sections, None, metadata, sentences, missing)


@renderer("application/pdf")
def render_page(path: Path, page_number: int, options: Options) -> Image:
    """Draw one page in grey for OCR; pdfium does it whichever engine reads.

    Raises:
        Encrypted, Corrupt: as `extract_pdf`.
        IndexError: there is no such page.
    """
    from extractors.pdf.engine_pdfium import render

    return render(path, page_number, options)


def _read(pdf: PdfFile) -> Iterator[RawPage | None]:
    """Every page, or None for one that cannot be read: the others are worth having."""
    for index in range(pdf.page_count):
        try:
            yield pdf.page(index)
        except MemoryError:
            raise
        except Exception:  # on a damaged page an engine may raise any error
            yield None


def _bounded(raws: Iterable[RawPage | None], options: Options) -> list[RawPage | None]:
    pages: list[RawPage | None] = []
    chars = 0
    for raw in raws:
        chars += len(raw.text) if raw else 0
        if chars > options.max_chars:
            raise TooLarge(f"The PDF has more text than `max_chars` allows ({options.max_chars}).")
        pages.append(raw)
    return pages


def _extras(pdf: PdfFile) -> tuple[list[Bookmark], dict[str, str], list[str]]:
    """Outline and metadata; a file that damages only these is still read."""
    try:
        return list(pdf.outline()), pdf.metadata, []
    except MemoryError:
        raise
    except Exception:  # as for a page
        return [], {}, ["The outline or the metadata could not be read."]


def _beside(pdf: PdfFile) -> Unread:
    """Attached files and other parts that are not read."""
    try:
        return pdf.unread()
    except MemoryError:
        raise
    except Exception:  # as for a page
        return Unread(["Files may be attached to the PDF: its list of them could not be read."], [])


def _pages(raws: list[RawPage | None], options: Options) -> tuple[Page, ...]:
    texts = tidy(["" if raw is None or is_garbage(raw.text) else raw.text for raw in raws])
    rows = enumerate(zip(raws, texts, strict=True), start=1)
    return tuple(
        Page(number, "", origin="failed") if raw is None else _page(number, raw, text, options)
        for number, (raw, text) in rows
    )


def _page(number: int, raw: RawPage, text: str, options: Options) -> Page:
    """The page with its text layer, and why that is not enough, if it is not."""
    why, layer = _why_ocr(raw, options)
    notes = (raw.note,) if raw.note else ()
    if not why:
        left = unread_pictures(raw.drawn, raw.text) if text and options.ocr == "auto" else None
        warnings = (*notes, left) if left else notes
        return Page(number, text, raw.label, "text" if text else "empty", warnings=warnings)
    if options.ocr == "off":
        off = f"{NOT_READ} {why}."
        return Page(number, text, raw.label, "text" if text else "empty", warnings=(*notes, off))
    warnings = (*notes, f"Read by OCR: {why}.")
    return Page(number, text, raw.label, "pending", warnings=warnings, layer=layer, overlay=raw.overlay)


def _why_ocr(raw: RawPage, options: Options) -> tuple[str | None, Layer]:
    """Why the page is to be read by OCR, and what then becomes of its text layer."""
    if options.ocr == "force":
        return ("the setting `ocr` is `force`" if raw.drawn.marked else None), "replace"
    distrusted = why_distrusted(raw.text, raw.drawn.unmapped, raw.drawn.unmapped_text)
    return (distrusted, "check") if distrusted else (why_ocr(raw.drawn, raw.text), "keep")


def _left_out(pages: tuple[Page, ...]) -> list[str]:
    """Which pages OCR would have read."""
    numbers = [page.number or 0 for page in pages if any(note.startswith(NOT_READ) for note in page.warnings)]
    return [f"{page_list(numbers)}: writing is not read, as the setting `ocr` is `off`."] if numbers else []


def _unread(raws: list[RawPage | None]) -> list[str]:
    numbers = [str(number) for number, raw in enumerate(raws, start=1) if raw is None]
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return [f"Pages that could not be read: {', '.join(numbers[:10])}{more}."] if numbers else []


def _sections(bookmarks: list[Bookmark], pages: tuple[Page, ...]) -> Iterator[Section]:
    """The outline as spans: each bookmark governs the text up to the next one that starts further on."""
    starts = Document("", pages).page_starts
    end = sum(len(page.text) for page in pages) + len(PAGE_SEPARATOR) * (len(pages) - 1)
    marks: list[tuple[int, tuple[str, ...]]] = []
    path: list[tuple[int, str]] = []
    for mark in bookmarks:
        title = " ".join(mark.title.split())[:MAX_TITLE]
        path = [*((level, name) for level, name in path if level < mark.level), (mark.level, title)]
        if mark.page_index < len(pages) and title:
            place = starts[mark.page_index] + _place(title, pages[mark.page_index].text)
            marks.append((place, tuple(name for _, name in path if name)))
    marks.sort(key=lambda mark: mark[0])
    for (start, titles), (stop, _) in pairwise([*marks, (end, ())]):
        if start < stop:
            yield Section(titles, start, stop)


def _place(title: str, text: str) -> int:
    """Where on its page a heading stands; at the top if it is not found."""
    words = r"\s+".join(map(re.escape, title.split()))
    match = re.search(words, text[:SEARCHED_CHARS], re.IGNORECASE)
    return match.start() if match else 0
