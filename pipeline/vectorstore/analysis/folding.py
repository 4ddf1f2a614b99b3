"""Folding: letters that differ for the eye, or not even that, and are the same for a search."""

from __future__ import annotations

import re
from unicodedata import category, decimal, normalize

__all__ = ["fold", "plain"]

VOWELS = "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0652\u0670"
MARKS = f"\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff{VOWELS}"
IGNORED = re.compile(f"[{MARKS}]")
"""Soft hyphens, marks without width, and the vowel marks of Hebrew and Arabic, which most writers leave out."""

DIGITS = {code: str(decimal(chr(code))) for code in range(0x80, 0x10000) if category(chr(code)) == "Nd"}
"""Digits of all scripts."""

CHANGED = re.compile(f"[{MARKS}{''.join(map(chr, DIGITS))}]")
"""What is ignored or another digit: most texts have none of it, and one search for all of it says so."""

ACCENTS = re.compile("[\u0300-\u036f]")
"""Accents of Latin, Greek and Cyrillic letters; marks of other scripts are letters of their own."""

LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "þ": "th"})
"""Letters that Unicode does not decompose."""


def plain(text: str) -> str:
    """Normalise ligatures, full-width letters and combining marks (NFKC); lone surrogates become question marks."""
    if text.isascii():
        return text
    composed = normalize("NFKC", text)
    if CHANGED.search(composed):
        composed = IGNORED.sub("", composed).translate(DIGITS)
    return composed.encode("utf-8", "replace").decode("utf-8")


def fold(word: str) -> str:
    """Fold case, ß to ss, and accents: `Straße` and `STRASSE` are `strasse`, `Müller` is `muller`."""
    if word.isascii():
        return word.lower()
    return normalize("NFC", ACCENTS.sub("", normalize("NFD", word.casefold()))).translate(LETTERS)
