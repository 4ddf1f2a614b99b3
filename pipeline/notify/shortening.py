"""Texts of messages for services that refuse long ones: what does not fit is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.notify.messages import paragraph

__all__ = ["fit", "head", "short_text"]

Size = Callable[[str], int]
"""Measures a text; the size of two texts one after the other is the sum of their sizes."""


def short_text(message: Mapping[str, Any], limit: int, size: Size) -> str:
    """The text of a message, or as many of its events, or of the lines of its only one, as fit.

    Args:
        message: what a notification carries, as `pipeline.notify.messages.Message` has it.
        limit: the largest size.
        size: measures it.
    """
    text, notices, count = str(message["text"]), message["notices"], int(message["count"])
    if size(text) <= limit:
        return text
    command = _command(notices)
    if count == 1:
        lines = text.split("\n")
        return fit(lines, "\n", limit, size, lambda kept: f"... and {len(lines) - kept} more lines: {command}")
    paragraphs = [paragraph(item) for item in notices]
    return fit(paragraphs, "\n\n", limit, size, lambda kept: f"... and {count - kept} more: {command}")


def fit(pieces: Sequence[str], separator: str, limit: int, size: Size, ending: Callable[[int], str]) -> str:
    """The first pieces that fit with an ending, which says how many of them are there. One is cut if none fits.

    Args:
        pieces: at least one; together they are too large.
        separator: stands between them, and before the ending.
        limit: the largest size.
        size: measures it.
        ending: a text for the number of pieces that are kept; for 0 it is the longest.
    """
    room, kept = limit - size(ending(0)), list[str]()
    for piece in pieces:
        room -= size(piece) + size(separator)
        if room < 0:
            break
        kept.append(piece)
    if not kept:
        kept.append(head(pieces[0], limit - size(separator) - size(ending(0)), size))
    return separator.join([*kept, ending(len(kept))])


def head(text: str, limit: int, size: Size) -> str:
    """The longest beginning of a text that fits."""
    for index, char in enumerate(text):
        limit -= size(char)
        if limit < 0:
            return text[:index]
    return text


def _command(notices: Sequence[Mapping[str, Any]]) -> str:
    """The command that shows more."""
    has_failures = any(item["event"] in ("documents.failed", "job.finished") for item in notices)
    return "docrelay failures list" if has_failures else "docrelay status"
