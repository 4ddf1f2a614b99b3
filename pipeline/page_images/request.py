"""`PageRequest`: which page is to be drawn, how wide, in which format, and which characters are to be marked."""

from __future__ import annotations

from dataclasses import dataclass

from extractors.drawing.picture import FORMATS
from pipeline.errors import BadRequest

__all__ = ["DEFAULT_WIDTH", "MAX_CHARACTER", "MAX_WIDTH", "MIN_WIDTH", "PageRequest"]

MIN_WIDTH, DEFAULT_WIDTH, MAX_WIDTH = 16, 800, 2400
"""Pixels of an image's width."""
MAX_CHARACTER = 1_000_000_000
"""No text is longer."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page of a document, counted from 1.

    `width` is that of the image in pixels at most, `format` one of `FORMATS`. `char_start` and `char_end` are a passage
    to be marked, in characters of the document's text as hits of a search have them; with one of them alone it begins,
    or ends, with the text. `version_id`: of which version; None for the one that readers see.

    Raises:
        BadRequest: a value is out of its range.
    """

    document_id: str
    page: int
    width: int = DEFAULT_WIDTH
    format: str = "png"
    char_start: int | None = None
    char_end: int | None = None
    version_id: str | None = None

    def __post_init__(self) -> None:
        if not MIN_WIDTH <= self.width <= MAX_WIDTH:
            raise BadRequest(f"The width {self.width} is not possible.", f"Take {MIN_WIDTH} to {MAX_WIDTH} pixels.")
        if self.format not in FORMATS:
            raise BadRequest(f"There are no images as {self.format!r}.", f"Take {', '.join(FORMATS)}.")
        if self.passage is not None and not 0 <= self.passage[0] < self.passage[1]:
            raise BadRequest("The passage has no characters.", "char_end is the character behind the last one.")

    @property
    def passage(self) -> tuple[int, int] | None:
        """The characters to be marked, from the first to the one behind the last; None without any."""
        if self.char_start is None and self.char_end is None:
            return None
        return self.char_start or 0, MAX_CHARACTER if self.char_end is None else self.char_end
