"""The contract of a PDF engine: a module with one function `open_pdf`, which yields a `PdfFile`.

    with open_pdf(path, options) as pdf:
        pdf.page_count, pdf.metadata, pdf.outline()
        pdf.page(index) -> RawPage

What is common to all engines (which page needs OCR, whole words, sections) lives in `extractors.pdf.extract`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from extractors.options import Options

__all__ = ["MAX_BOOKMARKS", "SPARSE_CHARS", "Bookmark", "Drawn", "OpenPdf", "PdfFile", "RawPage", "Unread"]

SPARSE_CHARS = 50
"""With fewer printed characters than this, a page is looked at: is its content in a picture?"""

MAX_BOOKMARKS = 10_000


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is drawn on a page; the shares are of the page's area, 0 to 1.

    Attributes:
        pictures: what all pictures together cover, stamps included.
        bare: what pictures cover where no text of the text layer stands.
        outlines: segments of filled paths that may be the outlines of letters.
        stamps: annotations that are drawn and may hold writing.
        marked: whether anything is drawn at all.
        hidden: whether most of the text layer is invisible, or lies under a picture: that of a scanning program.
        writing: what looks like writing and is not covered by the text layer; None where it was not looked at.
        unmapped: the share of the text layer's characters whose font does not say what they are, as far as looked at.
        unmapped_text: these characters, where they are more than a few.
    """

    pictures: float = 0.0
    bare: float = 0.0
    outlines: int = 0
    stamps: int = 0
    marked: bool = False
    hidden: bool = False
    writing: float | None = None
    unmapped: float = 0.0
    unmapped_text: str = ""


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as the engine gives it: its text layer, printed number, what is drawn, a sentence if read unusually.

    `text` has the page's form fields and annotations at their places; `overlay` is these alone.
    """

    text: str
    label: str | None = None
    drawn: Drawn = Drawn()
    note: str | None = None
    overlay: str = ""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of the outline: its depth from 0, its title, the index of the page it points to."""

    level: int
    title: str
    page_index: int


class Unread(NamedTuple):
    """Sentences on what is not read beside the pages: what is missing in the text, and what repeats the pages."""

    missing: list[str]
    repeated: list[str]


class PdfFile(Protocol):
    """An open PDF."""

    @property
    def page_count(self) -> int:
        """How many pages the file says it has."""

    @property
    def metadata(self) -> dict[str, str]:
        """Title, author and so on, by lower-case name; absent ones are left out."""

    def page(self, index: int) -> RawPage:
        """Read one page, counted from 0. Any exception means that this page cannot be read."""

    def unread(self) -> Unread:
        """Return the sentences on what is not read beside the pages, such as attached files."""

    def outline(self) -> Iterator[Bookmark]:
        """Yield at most `MAX_BOOKMARKS` bookmarks that point to a page, in the order of the outline."""


OpenPdf: TypeAlias = Callable[[Path, Options], AbstractContextManager[PdfFile]]
"""Raises Encrypted, Corrupt, Unsupported (the engine is not installed)."""
