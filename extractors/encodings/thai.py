"""Whether Thai letters form syllables, which other bytes that are read as Thai do by chance only in few letters."""

from __future__ import annotations

import re

__all__ = ["syllables"]

LETTERS = re.compile("[\u0e01-\u0e59]+")
SYLLABLES = re.compile(
    "(?:[\u0e40-\u0e44]?[\u0e01-\u0e2e][\u0e31\u0e34-\u0e3a\u0e47]?[\u0e48-\u0e4c]?[\u0e30\u0e32\u0e33\u0e45]{0,2}"
    "|[\u0e2f\u0e46\u0e50-\u0e59])+"
)
"""A vowel before its consonant, the consonant, a vowel above or below it, a tone, vowels behind it; signs, digits."""
MARKS = re.compile("[\u0e31\u0e34-\u0e3a\u0e40-\u0e44\u0e47-\u0e4c]")
LEAST_MARKS = 2


def syllables(text: str) -> int:
    """How many Thai letters the text has; 0 where they do not form syllables, or have few marks that could tell."""
    runs = LETTERS.findall(text)
    if not all(map(SYLLABLES.fullmatch, runs)) or len(MARKS.findall(text)) < LEAST_MARKS:
        return 0
    return sum(map(len, runs))
