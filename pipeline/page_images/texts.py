"""The text of one page, and where it begins in the document's text."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import Self

from extractors.document import Document
from extractors.drawing.sheet import sheets
from pipeline.errors import UnknownPage

__all__ = ["PageText", "Sheets", "has_no_pages", "no_such_page", "page_at", "text_of_page"]


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


@dataclass(frozen=True, slots=True)
class Sheets:
    """The sheets of a text without pages: the span of each, in order, and the length of the text in characters."""

    spans: list[tuple[int, int]]
    length: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Divide a text into sheets."""
        return cls(sheets(text), len(text))

    def page_at(self, character: int) -> tuple[int, int]:
        """(the sheet on which a character stands, how many there are). Raises UnknownPage: the text is shorter."""
        _check_character(character, self.length)
        return bisect_right(self.spans, character, key=itemgetter(0)), len(self.spans)

    def text_of(self, text: str, sheet: int) -> PageText:
        """The part of the text on a sheet, counted from 1. Raises UnknownPage: there is no such sheet."""
        if not 1 <= sheet <= len(self.spans):
            raise no_such_page(sheet, len(self.spans))
        start, end = self.spans[sheet - 1]
        return PageText(text[start:end], start, len(self.spans))


def has_no_pages(document: Document) -> bool:
    """Whether a text is shown on sheets, as its format has no pages."""
    return len(document.pages) == 1 and document.pages[0].number is None


def text_of_page(document: Document, page: int) -> PageText:
    """The text of a page of a document that has pages.

    Raises:
        UnknownPage: there is no such page.
    """
    for index, one in enumerate(document.pages):
        if one.number == page:
            return PageText(one.text, document.page_starts[index], len(document.pages), one.origin == "ocr")
    raise no_such_page(page, len(document.pages))


def page_at(document: Document, character: int) -> tuple[int, int]:
    """(the page on which this character of the text stands, how many there are), of a document that has pages.

    Raises:
        UnknownPage: the text is shorter.
    """
    _check_character(character, len(document.text))
    index = bisect_right(document.page_starts, character) - 1
    return document.pages[index].number or index + 1, len(document.pages)


def no_such_page(page: int, pages: int) -> UnknownPage:
    """The error for a page beyond the last one."""
    return UnknownPage(f"There is no page {page}: the document has {pages}.")


def _check_character(character: int, length: int) -> None:
    if character >= length:
        raise UnknownPage(f"The document has {length} characters; there is none at {character}.")
