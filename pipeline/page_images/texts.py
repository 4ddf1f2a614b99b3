"""The text of one page, and where it begins in the document's text."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from extractors.document import Document
from extractors.drawing.sheet import sheets
from pipeline.errors import UnknownPage

__all__ = ["PageText", "no_such_page", "page_at", "text_of_page"]


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of a page and its span in the document's text.

    `pages` is how many pages the document has, `by_ocr` whether OCR read the page or some of it.
    """

    text: str
    char_start: int
    pages: int
    by_ocr: bool = False

    @property
    def char_end(self) -> int:
        """The character behind the last one, in the document's text."""
        return self.char_start + len(self.text)

    def within(self, passage: tuple[int, int]) -> tuple[int, int]:
        """The part of a passage that stands on this page, in its own characters; empty if none does."""
        start, end = (min(max(at - self.char_start, 0), len(self.text)) for at in passage)
        return start, end


def text_of_page(document: Document, page: int) -> PageText:
    """The text of a page; a document without pages is divided into sheets.

    Raises:
        UnknownPage: there is no such page.
    """
    if _has_no_pages(document):
        return _text_of_sheet(document.text, page)
    for index, one in enumerate(document.pages):
        if one.number == page:
            return PageText(one.text, document.page_starts[index], len(document.pages), one.origin == "ocr")
    raise no_such_page(page, len(document.pages))


def page_at(document: Document, character: int) -> tuple[int, int]:
    """(the page on which this character of the document's text stands, how many pages there are).

    Raises:
        UnknownPage: the text is shorter.
    """
    if character >= len(document.text):
        raise UnknownPage(f"The document has {len(document.text)} characters; there is none at {character}.")
    if _has_no_pages(document):
        starts = [start for start, _ in sheets(document.text)]
        return bisect_right(starts, character), len(starts)
    index = bisect_right(document.page_starts, character) - 1
    return document.pages[index].number or index + 1, len(document.pages)


def no_such_page(page: int, pages: int) -> UnknownPage:
    """The error for a page beyond the last one."""
    return UnknownPage(f"There is no page {page}: the document has {pages}.")


def _has_no_pages(document: Document) -> bool:
    return len(document.pages) == 1 and document.pages[0].number is None


def _text_of_sheet(text: str, sheet: int) -> PageText:
    spans = sheets(text)
    if not 1 <= sheet <= len(spans):
        raise no_such_page(sheet, len(spans))
    start, end = spans[sheet - 1]
    return PageText(text[start:end], start, len(spans))
