"""`Document`: the extracted text of a file, in pages, with stable offsets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from typing import Any, Literal

__all__ = ["PAGE_SEPARATOR", "Document", "Origin", "Page", "Section", "Table"]

PAGE_SEPARATOR = "\n"
"""Stands between two pages in `Document.text`."""

Origin = Literal["text", "ocr", "empty", "failed", "unread", "pending"]
"""Where a page's text comes from; a `pending` page has no usable text layer and waits for OCR."""


Layer = Literal["keep", "check", "replace"]
"""A text layer is kept beside what OCR reads, or only if OCR reads the same words, or only if OCR reads nothing."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its text and how it was read.

    `number` counts from 1 and is None where the format has no pages (a text file). `label` is the
    printed page number ("iv", "A-3") where the file records one. `confidence` is OCR's mean word
    confidence, 0 to 1. `origin` says where the text is from, or why there is none: `empty` has no writing,
    `failed` is damaged, `unread` was not read by OCR this time, `pending` waits for OCR. `warnings` are sentences on
    how this page was read: why by OCR, what of it was left out. `layer` says what becomes of a pending page's text when
    OCR has read the page; `overlay`, the form fields and annotations that stand over it, is kept in any case.
    `same_as` is the number of an earlier page with the same picture, whose words a pending page gets.
    """

    number: int | None
    text: str
    label: str | None = None
    origin: Origin = "text"
    confidence: float | None = None
    warnings: tuple[str, ...] = ()
    layer: Layer = "keep"
    overlay: str = ""
    same_as: int | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Page:
        """Make a page from its fields as JSON has them."""
        return cls(**{**data, "warnings": tuple(data.get("warnings", ()))})

    def to_json(self) -> dict[str, Any]:
        """Return the page as JSON-ready data; `same_as` only where it is set."""
        data = asdict(self)
        return data if self.same_as is not None else {name: data[name] for name in data if name != "same_as"}


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the span of text it governs, as offsets into `Document.text`.

    `path` holds the titles from the outermost heading down to this one.
    """

    path: tuple[str, ...]
    char_start: int
    char_end: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table in the text, as offsets into `Document.text`: its rows are lines.

    `header_end` is where the row of its column names ends, or `char_start` where it has none. In a `quoted` table
    (CSV) a line break between double quotes belongs to its row.
    """

    char_start: int
    header_end: int
    char_end: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A document's extracted text: ordered pages, the sections over them, and warnings.

    A format without pages yields exactly one page whose number is None. Sections are ordered by
    `char_start` and do not overlap; text before the first heading belongs to none. `warnings` are sentences about
    the file; `missing` are those of them that name a part which is not in the text (an attached file, a damaged page).
    `tables` are ordered by `char_start` and do not overlap.
    """

    media_type: str
    pages: tuple[Page, ...]
    sections: tuple[Section, ...] = ()
    language: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def text(self) -> str:
        """The whole text; every offset in the product points into it."""
        return PAGE_SEPARATOR.join(page.text for page in self.pages)

    @property
    def page_starts(self) -> list[int]:
        """Offset of each page's first character in `text`, in page order."""
        return _starts(self.pages)

    @property
    def pending(self) -> list[int]:
        """Numbers of the pages that OCR must read; a page that is the same as another one is not read again."""
        return [
            page.number
            for page in self.pages
            if page.origin == "pending" and page.number is not None and page.same_as is None
        ]

    def with_pages(self, read: dict[int, Page]) -> Document:
        """Return the document with the given pages put in the place of their numbers.

        Sections and tables move with the pages they begin and end on; within a page that is replaced, an offset falls
        back to the page's beginning.
        """
        pages = tuple(read.get(page.number, page) if page.number else page for page in self.pages)
        return replace(self, pages=pages).moved(_shift(self, pages))

    def moved(self, shifted: Callable[[int], int]) -> Document:
        """Return the document with the offsets of sections and tables changed by a function that keeps their order."""
        sections = (replace(s, char_start=shifted(s.char_start), char_end=shifted(s.char_end)) for s in self.sections)
        tables = (
            Table(shifted(table.char_start), shifted(table.header_end), shifted(table.char_end), table.quoted)
            for table in self.tables
        )
        return replace(self, sections=tuple(sections), tables=tuple(tables))

    def rewritten(self, find: Callable[[str], Iterable[tuple[int, int, str]]]) -> Document:
        """Return the document with what `find` names replaced, in the text, the titles of sections and the metadata.

        Pages stay where they are and sections move along. A find across pages leaves its replacement on the first.

        Args:
            find: given a text, yields (start, end, replacement); of finds that overlap, the first one counts.
        """
        spans = _disjoint(find(self.text))
        pages, moved = [], list[tuple[int, int, str]]()
        for page, start in zip(self.pages, self.page_starts, strict=True):
            replacements = [
                (max(low, start), min(high, start + len(page.text)), new if low >= start else "")
                for low, high, new in spans
                if low < start + len(page.text) and high > start
            ]
            pages.append(replace(page, text=_replaced(page.text, replacements, start)))
            moved += replacements

        def shifted(offset: int) -> int:
            before = [(low, min(high, offset), new) for low, high, new in moved if low < offset]
            return offset + sum(len(new) - (high - low) for low, high, new in before)

        def plain(text: str) -> str:
            return _replaced(text, _disjoint(find(text)), 0)

        sections = tuple(replace(section, path=tuple(map(plain, section.path))) for section in self.sections)
        metadata = {name: plain(value) for name, value in self.metadata.items()}
        return replace(self, pages=tuple(pages), sections=sections, metadata=metadata).moved(shifted)

    def to_json(self) -> dict[str, Any]:
        """Return the document as JSON-ready data."""
        return {**asdict(replace(self, pages=())), "pages": [page.to_json() for page in self.pages]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Document:
        """Make a document from the output of `to_json`."""
        return cls(
            **{
                **data,
                "pages": tuple(map(Page.from_json, data["pages"])),
                "sections": tuple(Section(tuple(s["path"]), s["char_start"], s["char_end"]) for s in data["sections"]),
                "warnings": tuple(data["warnings"]),
                "missing": tuple(data.get("missing", ())),
                "tables": tuple(Table(**table) for table in data.get("tables", ())),
            }
        )


def _disjoint(spans: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Sort the spans by position; of spans that overlap, keep the first."""
    kept: list[tuple[int, int, str]] = []
    for span in spans:
        position = bisect_right(kept, span)
        begins_free = position == 0 or kept[position - 1][1] <= span[0]
        if span[0] < span[1] and begins_free and (position == len(kept) or span[1] <= kept[position][0]):
            kept.insert(position, span)
    return kept


def _replaced(text: str, spans: list[tuple[int, int, str]], start: int) -> str:
    """The text, which begins at this offset, with the spans replaced."""
    pieces, position = list[str](), start
    for low, high, new in spans:
        pieces += [text[position - start : low - start], new]
        position = high
    return "".join([*pieces, text[position - start :]])


def _shift(before: Document, pages: tuple[Page, ...]) -> Callable[[int], int]:
    """The function from an offset in a document to that in the document with these pages."""
    old, new = before.page_starts, _starts(pages)
    old_end, new_end = len(before.text), new[-1] + len(pages[-1].text)

    def shifted(offset: int) -> int:
        if offset >= old_end:
            return new_end
        index = bisect_right(old, offset) - 1
        return new[index] + (offset - old[index] if before.pages[index] is pages[index] else 0)

    return shifted


def _starts(pages: tuple[Page, ...]) -> list[int]:
    lengths = [len(page.text) + len(PAGE_SEPARATOR) for page in pages]
    return [0, *accumulate(lengths)][: len(lengths)]
