"""The endpoints of pages as functions that make their requests: see `endpoints`."""

from __future__ import annotations

from typing import TypedDict, Unpack
from urllib.parse import quote

from pipeline.client.request import Request, model_reader
from pipeline.results import PageDetail, PagePosition

__all__ = ["PassageOptions", "page_detail", "page_image", "page_position"]

PAGE_S = 600.0
"""Longest wait for a page: it may wait for others, be read by OCR, and be drawn, each within a time of its own."""


class PassageOptions(TypedDict, total=False):
    """A passage on a page, in characters of the document's text as hits have them, and the version."""

    char_start: int | None
    char_end: int | None
    version: str | None


def page_detail(document_id: str, page: int = 1, **passage: Unpack[PassageOptions]) -> Request[PageDetail]:
    """Size and span of a page, counted from 1, and the boxes of a passage on it.

    `passage` are char_start and char_end, as hits have them, and version.
    """
    return Request("GET", _path(document_id, page), model_reader(PageDetail), dict(passage), timeout_s=PAGE_S)


def page_position(document_id: str, char_start: int, version: str | None = None) -> Request[PagePosition]:
    """The page on which a character of the document's text stands, as hits have it."""
    params = {"char_start": char_start, "version": version}
    return Request(
        "GET", f"/v1/documents/{quote(document_id)}/pages", model_reader(PagePosition), params, timeout_s=PAGE_S
    )


def page_image(
    document_id: str,
    page: int = 1,
    width: int | None = None,
    image_format: str | None = None,
    **passage: Unpack[PassageOptions],
) -> Request[bytes]:
    """The image of a page, counted from 1, as a file, `width` pixels wide at most.

    `image_format` is png, jpeg or webp. `passage` is what is marked on it: char_start and char_end, as hits have them;
    and version.
    """
    params = {"width": width, "format": image_format, **passage}
    return Request(
        "GET", f"{_path(document_id, page)}/image", lambda response: response.content, params, timeout_s=PAGE_S
    )


def _path(document_id: str, page: int) -> str:
    return f"/v1/documents/{quote(document_id)}/pages/{page}"
