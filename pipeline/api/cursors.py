"""Cursors of pages: opaque to clients, so that what is in them may change."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from pipeline.errors import Invalid

__all__ = ["pack", "unpack"]

MARK = "1:"


def pack(place: str | None) -> str | None:
    """Where a page ends, as a client carries it."""
    return None if place is None else urlsafe_b64encode((MARK + place).encode()).decode().rstrip("=")


def unpack(cursor: str | None) -> str | None:
    """The same again. Raises Invalid: it was not given out here."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    if not text.startswith(MARK):
        raise Invalid("The cursor is none of this API.", "Take the one that the page before gave as `next`.")
    return text.removeprefix(MARK)
