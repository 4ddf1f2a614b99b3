"""Identifiers: part numbers, file names, addresses, error codes, versions; as a whole and by their parts.

The whole is written by its pieces, with bars between them: `KP-4567`, `KP4567` and `KP 4567` are all `kp|4567`.
"""

from __future__ import annotations

import re

from pipeline.vectorstore.analysis.folding import fold
from pipeline.vectorstore.analysis.words import PIECE, SPACED

__all__ = ["joined", "merged", "pieces", "spaced", "whole"]

MAX_PIECES = 12
"""An identifier of more pieces, as a hash, is found as a whole and not by them."""

HYPHENS = re.compile("[-\u2010\u2011]")
MAYBE_SPACED = re.compile(r" (?<=[\dA-Z] )\d")
"""It begins with a space, for which `re` looks in a quarter of the time that a set of characters takes."""

MARKED = re.compile("[_@.]")


def whole(word: str) -> str | None:
    """The term of a word with joints as a whole; None for words that are only written together, as `l'état`."""
    if not (any(char.isdigit() for char in word) or MARKED.search(word)):
        return None
    found = PIECE.findall(fold(word))
    return "|".join(found) if len(found) > 1 else None


def joined(word: str) -> str | None:
    """Words with hyphens written as one: `e-mail` is `email`; None if there are other joints, or digits."""
    parts = HYPHENS.split(word)
    return "".join(parts) if len(parts) > 1 and all(part.isalpha() for part in parts) else None


def pieces(part: str) -> list[str]:
    """The pieces of a part that has letters and digits, but not those of one character: of `m8x20` only `20`."""
    found = PIECE.findall(part)
    return [piece for piece in found if len(piece) > 1] if len(found) <= MAX_PIECES else []


def spaced(text: str, any_case: bool) -> list[str]:
    """The wholes of groups of digits with spaces between them.

    Args:
        text: plain text.
        any_case: whether letters before the digits may be small; in a passage they are a word, as in `in 1848`.
    """
    if not any_case and not MAYBE_SPACED.search(text):
        return []
    found = (match.group() for match in SPACED.finditer(text))
    return [merged(run) for run in found if any_case or run.upper() == run]


def merged(run: str) -> str:
    """The term of groups of digits with spaces between them."""
    return "|".join(PIECE.findall(fold(run).replace(" ", "")))
