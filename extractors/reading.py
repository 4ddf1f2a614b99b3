"""Read a file: the result is a `Document` or an `ExtractError`, whatever error a library raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from extractors.divided_words import joined
from extractors.document import Document, Origin, Page
from extractors.errors import (
    Corrupt,
    Empty,
    ExtractError,
    OcrFailed,
    OcrUnavailable,
    OutOfMemory,
    TooLarge,
    is_of_system,
)
from extractors.options import Options
from extractors.pictures.merged_text import agree, merged
from extractors.registry import Render, find_extractor, find_renderer
from extractors.sniff import sniff

__all__ = ["end_processes", "extract", "extract_errors", "finish", "ocr", "read", "reserve_terminals"]

DEFAULTS = Options()
SURROGATE = re.compile("[\ud800-\udfff]")


def extract(path: Path | str, options: Options = DEFAULTS) -> Document:
    """Read a file. Pages without a usable text layer come back with the origin `pending`.

    Raises:
        ExtractError: of the kind that fits.
        OSError: the system does not give the file.
    """
    path = Path(path)
    with extract_errors():
        document = _clean(find_extractor(sniff(path, options))(path, options))
    _check_size(document, options)
    if not document.pending:
        _check_text(document)
    return document


def ocr(
    path: Path | str,
    page_numbers: Iterable[int],
    options: Options = DEFAULTS,
    warn: Callable[[str], None] = lambda message: None,
) -> list[Page]:
    """Read the given pages by OCR, in the given order. A page without writing has the origin `empty`.

    A page that cannot be drawn has the origin `failed`, one that Tesseract fails on `unread`, and `warn` gets a
    sentence about it: the other pages are worth having.

    Raises:
        OcrUnavailable: Tesseract or a language of it is not installed.
        ExtractError: the file as a whole cannot be read.
        OSError: the system does not give the file, or no room to work in.
    """
    path = Path(path)
    with extract_errors():
        render = find_renderer(sniff(path, options))
    return [_ocr_page(render, path, number, options, warn) for number in page_numbers]


def finish(
    document: Document, pages: Iterable[Page], warnings: Iterable[str] = (), options: Options = DEFAULTS
) -> Document:
    """Return the document with the pages that OCR read in their places, and with OCR's warnings.

    Where OCR read nothing on a page, the text of its text layer stays. Words that a line end divides on an OCR page
    are joined as the whole document writes them. Pages with the same picture as one that was read get its words.

    Raises:
        Empty: there is no text, neither before nor now.
        TooLarge: with the words of OCR there is more text than `options.max_chars` allows.
        OcrFailed: there is none, and OCR failed on a page.
    """
    before = {page.number: page for page in document.pages}
    read = _with_copies(document, _undivided(document, list(pages)))
    better = {page.number: _better(before.get(page.number, page), page) for page in read if page.number is not None}
    whole = replace(document, warnings=(*document.warnings, *warnings))
    whole = whole.with_pages(better) if better else whole
    _check_size(whole, options)
    if not whole.pending:
        _check_text(whole)
    return whole


def read(path: Path | str, options: Options = DEFAULTS) -> Document:
    """Read a file, OCR included where a page needs it.

    Raises:
        ExtractError: as `extract` and `ocr`.
        OSError: as these.
    """
    document = extract(path, options)
    if not document.pending:
        return document
    warnings: list[str] = []
    pages = ocr(path, document.pending, options, warnings.append)
    return finish(document, pages, warnings, options)


def end_processes() -> None:
    """End the processes that stay after OCR for the next page; what needs them again starts them again."""
    from extractors.pictures import tesseract

    tesseract.end_processes()


def reserve_terminals() -> list[str]:
    """Open the terminals through which OCR is answered, for a process that may open none later. Returns their names."""
    from extractors.pictures.terminals import terminals
    from extractors.pictures.tesseract_process import KEPT

    return terminals().reserve(KEPT + 2)


@contextmanager
def extract_errors() -> Iterator[None]:
    """Turn errors of libraries into an `ExtractError`; the cause stays attached."""
    try:
        yield
    except (ExtractError, ImportError):  # a missing package is no fault of the file
        raise
    except OSError as error:
        if is_of_system(error):
            raise
        raise Corrupt from error
    except MemoryError as error:
        raise OutOfMemory from error
    except RecursionError as error:
        raise Corrupt("The file is nested without end.") from error
    except Exception as error:  # on a damaged file a library may raise any error
        raise Corrupt from error


def _ocr_page(render: Render, path: Path, number: int, options: Options, warn: Callable[[str], None]) -> Page:
    from extractors.pictures.tesseract import read_image

    origin: Origin = "failed"
    try:
        with extract_errors():
            image = render(path, number, options)
            origin = "unread"
            text, confidence, warnings = read_image(image, options)
    except (OcrUnavailable, OutOfMemory):
        raise
    except ExtractError as error:
        warn(f"Page {number} could not be read by OCR: {error}")
        return Page(number, "", origin=origin)
    text = _without_surrogates(text).replace("\0", "").strip()
    if not text:
        return Page(number, "", origin="empty", warnings=warnings)
    return Page(number, text, origin="ocr", confidence=confidence, warnings=warnings)


def _undivided(document: Document, read: list[Page]) -> list[Page]:
    """The pages that OCR read with their divided words joined; the document's other pages tell how it writes them."""
    others = [page.text for page in document.pages if page.origin == "text"]
    texts = joined([*(page.text for page in read), *others])
    return [replace(page, text=text) for page, text in zip(read, texts, strict=False)]


def _with_copies(document: Document, read: list[Page]) -> list[Page]:
    """The pages that OCR read, and those that have the same picture as one of them."""
    by_number = {page.number: page for page in read}
    same = (page for page in document.pages if page.origin == "pending" and page.same_as in by_number)
    return [*read, *(replace(by_number[page.same_as], number=page.number) for page in same)]


def _better(before: Page, read: Page) -> Page:
    """Return the page as OCR read it, with its label and its text layer; that alone where OCR read nothing."""
    warnings = (*before.warnings, *read.warnings)
    if not before.text.strip():
        return replace(read, label=before.label, warnings=warnings)
    if not read.text.strip():
        return _as_before(before, read.origin, warnings)
    if before.layer == "replace" or (before.layer == "check" and not agree(_own_text(before), read.text)):
        text = merged(before.overlay, read.text) if before.overlay else read.text
        return replace(read, text=text, label=before.label, warnings=warnings)
    if before.layer == "check":
        warnings = (*warnings, "OCR reads the same words as the text layer, which is kept.")
    return replace(read, text=merged(before.text, read.text), label=before.label, warnings=warnings)


def _own_text(page: Page) -> str:
    """The text layer without what stands over the page."""
    over = set(page.overlay.split("\n"))
    return "\n".join(line for line in page.text.split("\n") if line not in over)


def _as_before(before: Page, origin: Origin, warnings: tuple[str, ...]) -> Page:
    """The page with its text layer alone, as OCR ended with the origin `empty`, `failed` or `unread`."""
    unread = replace(before, origin="unread" if origin == "unread" else "text", layer="keep", overlay="")
    kept = ("OCR read nothing on this page: its text layer is kept.",) if origin == "empty" else ()
    return replace(unread, warnings=(*warnings, *kept))


def _check_size(document: Document, options: Options) -> None:
    if len(document.pages) > options.max_pages:
        raise TooLarge(f"The file has {len(document.pages)} pages; `max_pages` allows {options.max_pages}.")
    if sum(len(page.text) for page in document.pages) > options.max_chars:
        raise TooLarge(f"The file has more text than `max_chars` allows ({options.max_chars}).")


def _check_text(document: Document) -> None:
    if any(page.text and not page.text.isspace() for page in document.pages):
        return
    if any(page.origin == "unread" for page in document.pages):
        raise OcrFailed(document.warnings[-1] if document.warnings else "")
    raise Empty(" ".join(document.missing[:1]))


def _clean(document: Document) -> Document:
    """Remove NUL characters and replace lone surrogates by U+FFFD: databases, JSON and tokenizers refuse both."""
    text = document.text
    if "\0" in text:
        document = document.moved(_without_nul(text))
    return replace(
        document,
        pages=tuple(
            replace(
                page,
                text=_safe(page.text),
                label=page.label and _safe(page.label),
                overlay=_safe(page.overlay),
                warnings=tuple(map(_safe, page.warnings)),
            )
            for page in document.pages
        ),
        sections=tuple(replace(s, path=tuple(map(_safe, s.path))) for s in document.sections),
        metadata={_safe(key): _safe(value) for key, value in document.metadata.items()},
        warnings=tuple(map(_safe, document.warnings)),
        missing=tuple(map(_safe, document.missing)),
    )


def _without_nul(text: str) -> Callable[[int], int]:
    """The function from an offset in the text to that in the text without its NUL characters."""
    at = gone = 0

    def shifted(offset: int) -> int:
        nonlocal at, gone
        gone += text.count("\0", at, offset) if offset >= at else -text.count("\0", offset, at)
        at = offset
        return offset - gone

    return shifted


def _safe(text: str) -> str:
    return _without_surrogates(text.replace("\0", ""))


def _without_surrogates(text: str) -> str:
    return SURROGATE.sub("\ufffd", text)
