"""The terms of a passage, with their frequencies."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TypeAlias

from pipeline.vectorstore.analysis import identifiers
from pipeline.vectorstore.analysis.compounds import GERMAN, parts
from pipeline.vectorstore.analysis.folding import fold, plain
from pipeline.vectorstore.analysis.languages import detect, languages_of_script, stem
from pipeline.vectorstore.analysis.stop_words import STOP_WORDS
from pipeline.vectorstore.analysis.words import is_undivided, pairs, split

__all__ = ["JOINTS", "terms", "terms_of_part"]

JOINTS = re.compile("[-\u2010\u2011._@+#&'\u2019/:,=]")

FIRST_SINGLE = "\u2e80"
"""Chinese, Japanese and Korean characters can be words; those of scripts before it are but letters."""

PART = 0.4
"""Frequency of a part of a compound, beside 1 of a word."""

CACHED_WORDS = 100_000
LONGEST_CACHED = 40

Frequencies: TypeAlias = tuple[tuple[str, float], ...]
"""Terms with their frequencies; a term may come twice."""


def terms(text: str) -> tuple[dict[str, float], int]:
    """Count the terms of a passage.

    Returns:
        Terms with their frequencies, and how many words the passage has without stop words.
    """
    clean = plain(text)
    words = Counter(split(clean))
    languages = detect(words)
    frequencies: dict[str, float] = {}
    length = 0
    for word, times in words.items():
        found, counted = _cached(word, languages) if len(word) <= LONGEST_CACHED else _of_word(word, languages)
        length += counted * times
        for term, frequency in found:
            frequencies[term] = frequencies.get(term, 0.0) + frequency * times
    for term in identifiers.spaced(clean, any_case=False):
        frequencies[term] = frequencies.get(term, 0.0) + 1.0
    return frequencies, length


def _of_word(word: str, languages: tuple[str, ...]) -> tuple[Frequencies, int]:
    """Terms of a word with their frequencies, and how many words it counts as."""
    if is_undivided(word):
        found = pairs(word)
        singles = [char for char in sorted(set(word)) if char >= FIRST_SINGLE] if len(word) > 1 else []
        return tuple((term, 1.0) for term in (*found, *singles)), len(found)
    divided = JOINTS.split(word)
    rows = [terms_of_part(part, languages) for part in divided if part]
    wholes = _wholes(word, languages) if len(divided) > 1 else []
    frequencies = (*(row for part_rows, _ in rows for row in part_rows), *((term, 1.0) for term in wholes))
    return frequencies, sum(counted for _, counted in rows)


_cached = lru_cache(CACHED_WORDS)(_of_word)


def _wholes(word: str, languages: tuple[str, ...]) -> list[str]:
    if (hyphenated := identifiers.joined(word)) is not None:
        return _stems(hyphenated, languages)
    term = identifiers.whole(word)
    return [] if term is None else [term]


def terms_of_part(part: str, languages: tuple[str, ...]) -> tuple[list[tuple[str, float]], int]:
    """Terms of a word without joints with their frequencies, and how many words it counts as."""
    if part.isdigit():
        return [(part, 1.0)], 1
    if any(char.isdigit() for char in part):
        folded = fold(part)
        term = identifiers.whole(part) or folded
        return [(found, 1.0) for found in [term, *identifiers.pieces(folded)]], 1
    lower = part.lower()
    if any(lower in STOP_WORDS.get(language, ()) for language in languages):
        return [(fold(part), 1.0)], 0
    stems = _stems(part, languages)
    divided = parts(part.casefold()) if GERMAN in languages and part.isalpha() else []
    return [*((term, 1.0) for term in stems), *((term, PART) for term in divided if term not in stems)], 1


def _stems(word: str, languages: tuple[str, ...]) -> list[str]:
    used = languages_of_script(word)
    lower = word.casefold()
    used = languages if used is None else used
    return list(dict.fromkeys(stem(lower, language) for language in used)) or [fold(word)]
