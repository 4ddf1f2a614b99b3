"""The contract of a PDF engine: a module with one function `open_pdf`, which yields a `PdfFile`.

    with open_pdf(path, options) as pdf:
        pdf.page_count, pdf.metadata, pdf.outline()
        pdf.page(index) -> RawPage

What is common to all engines (which page needs OCR, whole words, sections) lives in `extractors.pdf`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from extractors.options import Options

__all__ = ["MAX_BOOKMARKS", "SPARSE_CHARS", "Bookmark", "OpenPdf", "PdfFile", "RawPage"]

SPARSE_CHARS = 50
"""With fewer printed characters than this, a page is looked at: is its content in a picture?"""

MAX_BOOKMARKS = 10_000


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as the engine gives it.

    `picture` is the share of the page that its largest picture covers, 0 to 1; `marked` tells whether
    anything is drawn at all. Both are only meaningful where the text is sparse.
    """

    text: str
    label: str | None = None
    picture: float = 0.0
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of the outline: its depth from 0, its title, the index of the page it points to."""

    level: int
    title: str
    page_index: int


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

    def outline(self) -> Iterator[Bookmark]:
        """Yield at most `MAX_BOOKMARKS` bookmarks that point to a page, in the order of the outline."""


OpenPdf: TypeAlias = Callable[[Path, Options], AbstractContextManager[PdfFile]]
"""Raises Encrypted, Corrupt, Unsupported (the engine is not installed)."""
