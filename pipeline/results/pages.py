"""Results about a page of a document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.results.base import Result

__all__ = ["PageBox", "PageDetail", "PagePosition"]


class PageBox(Result):
    """A rectangle on a page, from its upper left corner: 0 to 1 of its width, 0 to 1 of its height."""

    left: float
    top: float
    right: float
    bottom: float


class PageDetail(Result):
    """A page of a version, counted from 1, and the boxes of a passage on it.

    `width` and `height` are in `unit`: points of a PDF, pixels of a picture, columns of a sheet. `drawn_from`: whether
    its image is the file's own page, or a sheet with the text, as formats have whose pages cannot be drawn.
    `char_start` and `char_end` are its span in the document's text, null if that is not kept. Of the passage,
    `letters` (and digits) stand on this page, and `letters_found` of them have a box.
    """

    document_id: str
    version_id: str
    page: int
    pages: int
    width: float
    height: float
    unit: Literal["points", "pixels", "columns"]
    drawn_from: Literal["file", "text"]
    char_start: int | None
    char_end: int | None
    boxes: list[PageBox] = Field([])
    letters: int = 0
    letters_found: int = 0


class PagePosition(Result):
    """The page of a version, counted from 1, on which a character of its text stands."""

    document_id: str
    version_id: str
    page: int
    pages: int
