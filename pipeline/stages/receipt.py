"""What the receipt of a document says: warnings, how its pages were read, and which parts of the file are missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from extractors.document import Document
from extractors.page_numbers import page_list

__all__ = ["MAX_SENTENCES", "bounded", "page_list", "sentences"]

MAX_SENTENCES = 50
"""A receipt has so many sentences of each kind at most."""

PAGES = re.compile(r"Pages? ((?:\d{1,9}(?:-\d{1,9})?(?:, )?)+)")
RANGE = re.compile(r"(\d+)(?:-(\d+))?")
MAX_RANGE = 100_000


def sentences(document: Document) -> dict[str, object]:
    """Return the sentences about a document for the catalog, and how many of its parts are missing."""
    missing = _missing_parts(document)
    return {
        "warnings": bounded(document.warnings),
        "page_warnings": bounded(_page_warnings(document)),
        "missing": bounded(missing),
        "parts_missing": len(missing),
    }


def bounded(texts: Sequence[str]) -> list[str]:
    """Return at most `MAX_SENTENCES` sentences; instead of the others, the last one says how many there are."""
    if len(texts) <= MAX_SENTENCES:
        return list(texts)
    return [*texts[: MAX_SENTENCES - 1], f"And {len(texts) - MAX_SENTENCES + 1} more."]


def _page_warnings(document: Document) -> list[str]:
    """The warnings of pages, each once with its pages, in the order of the pages; a file without pages has no number.

    What a warning about the file says already is left out.
    """
    numbers: dict[str, list[int | None]] = {}
    for page in document.pages:
        for warning in page.warnings:
            numbers.setdefault(warning, []).append(page.number)
    return [_with_pages(text, pages) for text, pages in numbers.items() if text not in document.warnings]


def _with_pages(text: str, numbers: Sequence[int | None]) -> str:
    counted = [number for number in numbers if number is not None]
    return f"{page_list(counted)}: {text}" if counted else text


def _missing_parts(document: Document) -> list[str]:
    """What the reader of the file has named, and pages that are damaged or that OCR failed on, if it has not."""
    parts = list(dict.fromkeys(document.missing))
    named = {number for text in parts for number in _pages_named_by(text)}
    for origin, reason in (("failed", "could not be read"), ("unread", "could not be read by OCR")):
        numbers = {page.number for page in document.pages if page.origin == origin and page.number is not None}
        if rest := numbers - named:
            parts.append(f"{page_list(rest)} {reason}.")
    return parts


def _pages_named_by(text: str) -> Iterator[int]:
    """The numbers of the pages that a sentence begins with: "Page 3 …", "Pages 3, 5-7 …"."""
    begins = PAGES.match(text)
    for first, last in RANGE.findall(begins[1]) if begins else ():
        yield from range(int(first), min(int(last or first), int(first) + MAX_RANGE) + 1)
