"""Tags: words that a document is given, to find it by."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import TypeAlias, overload

from pipeline.errors import BadRequest

__all__ = ["LONGEST", "MOST", "Tags", "canonical", "in_place_of"]

Tags: TypeAlias = tuple[str, ...]
"""Tags as they are kept: sorted, none twice."""

MOST = 16
LONGEST = 64
MARKS = frozenset("_-.:/")


@overload
def canonical(tags: Iterable[str]) -> Tags: ...
@overload
def canonical(tags: None) -> None: ...
def canonical(tags: Iterable[str] | None) -> Tags | None:
    """The tags of a document as they are kept, in NFC; None stays None: nothing was said of tags.

    Raises:
        BadRequest: one is empty, too long or holds other characters, or there are too many.
    """
    if tags is None:
        return None
    found = sorted({unicodedata.normalize("NFC", tag) for tag in tags})
    wrong = next((tag for tag in found if not 1 <= len(tag) <= LONGEST or not all(map(_fits, tag))), None)
    if wrong is not None:
        raise BadRequest(
            f"{wrong[:80]!r} is no tag.",
            f"A tag is made of 1 to {LONGEST} letters, digits, _ - . : and /.",
        )
    if len(found) > MOST:
        raise BadRequest(f"These are {len(found)} tags.", f"A document has {MOST} at most.")
    return tuple(found)


def in_place_of(given: Tags | None, before: Tags | None) -> Tags | None:
    """What a rule's tags make of a document's: those that it gave before go when it gives none any more."""
    return () if given is None and before else given


def _fits(char: str) -> bool:
    # Marks belong to the letters of many scripts, and have no composed form there.
    return char.isalnum() or char in MARKS or unicodedata.category(char) in ("Mn", "Mc")
