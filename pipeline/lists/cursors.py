"""Places in sorted lists as text: what a list gives as `next`, and takes as the place after which a page begins.

A place in the list by ids is the id; in others it is the order, the value and the id, with dots between.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any

from pipeline.catalog.database.keyset import Key
from pipeline.errors import BadRequest
from pipeline.names import STATES

__all__ = ["LONGEST", "check_id", "key_of", "sort_of", "text_of"]

ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NUMBER = re.compile(r"\d{1,18}(\.\d{1,9})?")
LONGEST = 24_000
"""Characters of a cursor at most: a source of the longest path, each of its characters of four bytes."""


def sort_of(text: str, orders: tuple[str, ...]) -> tuple[str, bool]:
    """The order that a user names, and whether it is descending: `size`, or `-size` from the largest on.

    Raises:
        BadRequest: there is no such order.
    """
    name = text.removeprefix("-")
    if name not in orders:
        raise BadRequest(
            f"There is no order {text!r}.", f"Sort by one of: {', '.join(orders)}; -{orders[-1]} reverses."
        )
    return name, text != name


def text_of(order: str, key: Key | None) -> str | None:
    """A place in a list as text that `key_of` reads; None stays None."""
    if key is None:
        return None
    return key.id if order == "id" else f"{order}.{WRITE.get(order, str)(key.value)}.{key.id}"


def key_of(order: str, text: str | None) -> Key | None:
    """The place in a list of this order; None stands for the first page.

    Raises:
        BadRequest: no list of this order gives such a text.
    """
    if text is None:
        return None
    if order == "id":
        return Key(check_id(text), text)
    name, _, rest = text.partition(".")
    value, _, row_id = rest.rpartition(".")
    try:
        if name == order:
            return Key(READ[order](value), check_id(row_id))
    except ValueError:
        pass
    raise _unknown()


def check_id(text: str) -> str:
    """Return a place in a list by ids. Raises BadRequest: it is no id of a document or job."""
    if not ID.fullmatch(text):
        raise _unknown()
    return text


def _unknown() -> BadRequest:
    return BadRequest("No list of this order has given this cursor.", "Take `next` of the page before, as it is.")


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


def _bytes(text: str) -> int:
    """The size in a cursor. Raises ValueError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise ValueError(text)
    return int(text)


def _state(text: str) -> str:
    """The state in a cursor. Raises ValueError."""
    if text not in STATES:
        raise ValueError(text)
    return text


WRITE: dict[str, Callable[[Any], str]] = {"source": _source_as_text, "time": repr}
READ: dict[str, Callable[[str], Any]] = {"source": _source, "time": _seconds, "size": _bytes, "state": _state}
