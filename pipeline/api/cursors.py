"""The parameter `cursor` of paged lists: opaque to clients, so that its form may change."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from pipeline.catalog.database.cursors import LONGEST, PATTERN

__all__ = ["Cursor", "SortedCursor"]

Cursor = Annotated[
    str | None,
    Query(
        max_length=128,
        pattern=PATTERN,
        description="`next` of the page before",
        examples=["1.5b3cb0a8-6d0c-5b43-8f4e-52a4d9c1f0d7"],
    ),
]

SortedCursor = Annotated[
    str | None,
    Query(
        max_length=LONGEST,
        pattern=PATTERN,
        description="`next` of the page before, with the same `sort`",
        examples=["1.size.20480.5b3cb0a8-6d0c-5b43-8f4e-52a4d9c1f0d7"],
    ),
]
"""A cursor of a list that has several orders: the value by which it is sorted may be long."""
