"""Folding: letters that differ for the eye, or not even that, and are the same for a search."""

from __future__ import annotations

import re
from unicodedata import normalize

__all__ = ["fold", "plain"]

IGNORED = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
"""Soft hyphens, and marks without width."""

ACCENTS = re.compile("[\u0300-\u036f]")
"""Accents of Latin, Greek and Cyrillic letters; marks of other scripts are letters of their own."""

LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "þ": "th"})
"""Letters that Unicode does not decompose."""


def plain(text: str) -> str:
    """Normalise ligatures, full-width letters and combining marks (NFKC); lone surrogates become question marks."""
    if text.isascii():
        return text
    return IGNORED.sub("", normalize("NFKC", text)).encode("utf-8", "replace").decode("utf-8")


def fold(word: str) -> str:
    """Fold case, ß to ss, and accents: `Straße` and `STRASSE` are `strasse`, `Müller` is `muller`."""
    if word.isascii():
        return word.lower()
    return normalize("NFC", ACCENTS.sub("", normalize("NFD", word.casefold()))).translate(LETTERS)
