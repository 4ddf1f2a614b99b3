"""Positions in lists that are sorted by a time, newest first: where a page ends and the next one begins."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import sqlalchemy as sa

from pipeline.errors import BadRequest

__all__ = ["Position", "later_than", "position_of", "text_of"]

POSITION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class Position(NamedTuple):
    """A place in a list: the time of an entry, in seconds since 1970, and its id."""

    at: float
    id: str


def later_than(position: Position, at: sa.Column[Any], row_id: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """The condition that a row stands behind a position in a list that is sorted by these columns, newest first."""
    earlier = sa.or_(at < position.at, sa.and_(at == position.at, row_id < position.id))
    # The first condition follows from the second one, but only the first is looked up in an index.
    return sa.and_(at <= position.at, earlier)


def position_of(text: str | None) -> Position | None:
    """The position that a list has given as `next`; None stands for the first page.

    Raises:
        BadRequest: no list gives such a position.
    """
    if text is None:
        return None
    match = POSITION.fullmatch(text)
    if match is None:
        raise BadRequest("No list has given this cursor.", "Take `next` of the page before, as it is.")
    return Position(float(match[1]), match[2])


def text_of(position: Position | None) -> str | None:
    """A position as text that `position_of` reads; None stays None."""
    return None if position is None else f"{position.at!r}.{position.id}"
