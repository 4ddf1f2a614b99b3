"""The sheets of long texts, kept in the spool: finding them takes the time of dividing the whole text into lines."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable

from pipeline.page_images.texts import Sheets
from pipeline.services import Services
from pipeline.stages.kept_images import keep_image, kept_image

__all__ = ["find_sheets", "sheets_of"]

LONG_TEXT = 500_000
"""Characters from which on the sheets of a text are kept."""


def find_sheets(services: Services, key: str) -> Sheets | None:
    """The sheets that are kept under a key; None if none are."""
    data = kept_image(services, key)
    if data is None:
        return None
    try:
        kept = json.loads(zlib.decompress(data))
        return Sheets([(int(start), int(end)) for start, end in kept["spans"]], int(kept["length"]))
    except (ValueError, KeyError, TypeError, zlib.error):  # damaged: they are found anew
        return None


def sheets_of(services: Services, key: str, length: int, read: Callable[[], str]) -> Sheets:
    """The sheets of a text of this many characters, kept under a key if it is long."""
    if length < LONG_TEXT:
        return Sheets.of(read())
    kept = find_sheets(services, key)
    if kept is not None and kept.length == length:
        return kept
    made = Sheets.of(read())
    data = json.dumps({"spans": made.spans, "length": made.length}).encode()
    keep_image(services, key, zlib.compress(data, 1))
    return made
