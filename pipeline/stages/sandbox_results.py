"""What the methods of the sandbox return, made of the answer of its child and checked on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from extractors.boxes import Place, Size, checked_box
from extractors.document import Document, Page
from extractors.drawing.picture import Picture

__all__ = ["RESULTS"]


def _pages_of(answer: Any) -> tuple[list[Page], list[str]]:
    return [Page.from_json(page) for page in answer["pages"]], list(answer["warnings"])


def _places_of(answer: Any) -> tuple[Size, list[Place]]:
    width, height = map(float, answer["size"])
    return (width, height), [Place(int(start), int(end), checked_box(*box)) for start, end, box in answer["places"]]


RESULTS: dict[str, Callable[[Any], Any]] = {
    "extract": Document.from_json,
    "ocr": _pages_of,
    "draw": Picture.from_json,
    "places": _places_of,
}
"""By the name of the method. An answer of another form than the child's own program gives raises some error."""
