"""Cursors of paged lists: opaque to clients, with a version mark, so that their content may change."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from pipeline.lists.cursors import LONGEST

__all__ = ["Cursor", "SortedCursor", "pack", "unpack"]

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

SortedCursor = Annotated[
    str | None,
    Query(
        max_length=LONGEST,
        pattern=r"^1\.[0-9A-Za-z.-]+$",
        description="`next` of the page before, with the same `sort`",
        examples=["1.size.20480.5b3cb0a8-6d0c-5b43-8f4e-52a4d9c1f0d7"],
    ),
]
"""A cursor of a list that has several orders: the value by which it is sorted may be long."""


def pack(position: str | None) -> str | None:
    """The cursor for a position in a list, which is made of ids, numbers and dots; None stays None."""
    return None if position is None else MARK + position


def unpack(cursor: str | None) -> str | None:
    """The position that a cursor stands for; None stays None."""
    return None if cursor is None else cursor.removeprefix(MARK)
