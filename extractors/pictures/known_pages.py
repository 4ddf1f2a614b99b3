"""What OCR has read lately, by the pixels: a page that comes again gets the same words without being read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING

from extractors.pictures.words import PageText

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["KnownPages", "picture_key"]

KEPT = 500
"""Pages that are remembered; pages of a file that are equal come near each other."""
CHARS = 20_000
"""A page with more text is not remembered: all of them stay below 10 MB."""


class KnownPages:
    """The readings of the last pages, each by its key; threads may share it."""

    def __init__(self) -> None:
        self._readings: OrderedDict[Hashable, PageText] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Hashable) -> PageText | None:
        """The reading of a page; None if it is not known."""
        with self._lock:
            if key in self._readings:
                self._readings.move_to_end(key)
            return self._readings.get(key)

    def keep(self, key: Hashable, reading: PageText) -> PageText:
        """Remember a reading, and forget the one that was not asked for the longest. Returns the reading."""
        if len(reading.text) <= CHARS:
            with self._lock:
                self._readings[key] = reading
                while len(self._readings) > KEPT:
                    self._readings.popitem(last=False)
        return reading


def picture_key(grey: Image) -> bytes:
    """A key of a picture in 8-bit grey, which another picture has only if it has the same pixels."""
    return sha256(b"%d %d " % grey.size + grey.tobytes()).digest()
