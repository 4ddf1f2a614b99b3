"""Cursors of pages: a form of their own, so that what is in them may change; whatever has the form is a place."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

__all__ = ["Cursor", "pack", "unpack"]

MARK = "1."

Cursor = Annotated[
    str | None,
    Query(
        max_length=128,
        pattern=r"^1\.[0-9A-Za-z.-]+$",
        description="`next` of the page before",
        examples=["1.5b3cb0a8-6d0c-5b43-8f4e-52a4d9c1f0d7"],
    ),
]


def pack(place: str | None) -> str | None:
    """Where a page ends, as a client carries it; places are made of ids, numbers and dots."""
    return None if place is None else MARK + place


def unpack(cursor: str | None) -> str | None:
    """The same again."""
    return None if cursor is None else cursor.removeprefix(MARK)
