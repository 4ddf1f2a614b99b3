"""Cursors: places in paged lists as text, which a list gives as `next` and takes to begin the following page.

A cursor is `1.`, the version of this form, then the order of the list, the value and the id of a row, with dots
between. In a list by ids it is `1.` and the id.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.errors import BadRequest
from pipeline.names import STATES

__all__ = ["LONGEST", "PATTERN", "Key", "cursor_of", "key_of"]

VERSION = "1."
PATTERN = r"^1\.[0-9A-Za-z.-]+$"
"""What every cursor matches, for descriptions of the API."""

LONGEST = 24_000
"""Characters of a cursor at most: a source of the longest path, each of its characters of four bytes."""

ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NUMBER = re.compile(r"\d{1,18}(\.\d{1,9})?")


class Key(NamedTuple):
    """A place in a sorted list: the value by which it is sorted, and the id of the row."""

    value: Any
    id: str


def cursor_of(order: str, key: Key | None) -> str | None:
    """The cursor for a place in a list of this order, a key of `READ`; None stays None."""
    if key is None:
        return None
    return VERSION + (key.id if order == "id" else f"{order}.{WRITE.get(order, str)(key.value)}.{key.id}")


def key_of(order: str, cursor: str | None) -> Key | None:
    """The place in a list of this order that a cursor stands for; None stands for the first page.

    Raises:
        BadRequest: no list of this order gives such a cursor.
    """
    if cursor is None:
        return None
    begin = VERSION if order == "id" else f"{VERSION}{order}."
    place = cursor.removeprefix(begin)
    text, dot, row_id = (place, ".", place) if order == "id" else place.rpartition(".")
    try:
        if cursor.startswith(begin) and dot and ID.fullmatch(row_id):
            return Key(READ[order](text), row_id)
    except ValueError:
        pass
    raise BadRequest("No list of this order has given this cursor.", "Take `next` of the page before, as it is.")


def _source_as_text(source: str) -> str:
    return base64.b32encode(source.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def _source(text: str) -> str:
    """The source in a cursor. Raises ValueError."""
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8)).decode("utf-8", "surrogatepass")
    except binascii.Error as error:
        raise ValueError(text) from error


def _seconds(text: str) -> float:
    """The time in a cursor. Raises ValueError."""
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def _whole(text: str) -> int:
    """The size or number in a cursor. Raises ValueError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise ValueError(text)
    return int(text)


def _state(text: str) -> str:
    """The state in a cursor. Raises ValueError."""
    if text not in STATES:
        raise ValueError(text)
    return text


WRITE: dict[str, Callable[[Any], str]] = {"source": _source_as_text, "time": repr}
READ: dict[str, Callable[[str], Any]] = {
    "id": str,
    "source": _source,
    "time": _seconds,
    "size": _whole,
    "state": _state,
    "chunk": _whole,
    "archived": _whole,
}
"""How the value is read, by the order of the list. Chunks have their number and the id of their version, archived
failures their number and the id of the document."""
