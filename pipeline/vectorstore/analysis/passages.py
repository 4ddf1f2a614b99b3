"""The terms of a passage, with their frequencies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

from pipeline.vectorstore.analysis import identifiers, patterns
from pipeline.vectorstore.analysis.camel import camel_parts
from pipeline.vectorstore.analysis.compounds import GERMAN, parts
from pipeline.vectorstore.analysis.folding import fold, plain
from pipeline.vectorstore.analysis.languages import detect, languages_of_script, stem
from pipeline.vectorstore.analysis.light_stems import further
from pipeline.vectorstore.analysis.stop_words import stop_words_of
from pipeline.vectorstore.analysis.word_cache import WordCache
from pipeline.vectorstore.analysis.words import is_undivided, pairs, split

__all__ = ["JOINTS", "known_words", "terms"]

JOINTS = re.compile("[-\u2010\u2011._@+#&'\u2019/:,=]")

FIRST_SINGLE = "\u2e80"
"""Chinese, Japanese and Korean characters can be words; those of scripts before it are but letters."""

PART = 0.4
"""Frequency of a part of a compound, beside 1 of a word."""

EXACT = 0.05
"""Frequency of a word as it is written, beside its stem: `organ` is a better match for `organ` than `organization`."""

FURTHER = 0.4
"""Frequency of a further stem."""

LONG_CODE = 12
"""Characters of a code that is found as it is written, too: digests, MAC addresses."""

CACHED_WORDS = 100_000

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
    known = known_words(languages)
    frequencies: dict[str, float] = {}
    length = 0
    for word, times in words.items():
        found, counted = known[word]
        length += counted * times
        for term, frequency in found:
            frequencies[term] = frequencies.get(term, 0.0) + frequency * times
    for term in identifiers.spaced(clean, any_case=False):
        frequencies[term] = frequencies.get(term, 0.0) + 1.0
    for _, _, term, frequency in patterns.matches(clean):
        frequencies[term] = frequencies.get(term, 0.0) + frequency
    return _without_signed(clean, frequencies), length


def _without_signed(clean: str, frequencies: dict[str, float]) -> dict[str, float]:
    """`C++` is less of a match for `C` than `C` is."""
    for match in patterns.signed(clean):
        letters = fold(match[1])
        frequencies[letters] = max(frequencies.get(letters, 0.0) - 1.0, 0.0) + PART
    return frequencies


def _of_word(word: str, languages: tuple[str, ...]) -> tuple[Frequencies, int]:
    """Terms of a word with their frequencies, and how many words it counts as."""
    if word.isalnum() and word.isascii():
        rows, counted = _of_part(word, languages)
        return tuple(rows), counted
    if is_undivided(word):
        found = pairs(word)
        singles = [char for char in sorted(set(word)) if char >= FIRST_SINGLE] if len(word) > 1 else []
        return tuple((term, 1.0) for term in (*found, *singles)), len(found)
    divided = JOINTS.split(word)
    parts_rows = [_of_part(part, languages) for part in divided if part]
    wholes = _wholes(word, languages) if len(divided) > 1 else []
    frequencies = (*(row for rows, _ in parts_rows for row in rows), *((term, 1.0) for term in wholes))
    return frequencies, sum(counted for _, counted in parts_rows)


def known_words(languages: tuple[str, ...]) -> Mapping[str, tuple[Frequencies, int]]:
    """By word of a passage in these languages: its terms with their frequencies, and how many words it counts as."""
    return _cache().rows(languages)


@cache
def _cache() -> WordCache[tuple[Frequencies, int]]:
    return WordCache(_of_word, CACHED_WORDS)


def _wholes(word: str, languages: tuple[str, ...]) -> list[str]:
    if (hyphenated := identifiers.joined(word)) is not None:
        return _stems(hyphenated, languages)
    term = identifiers.whole(word)
    return list(dict.fromkeys([*([] if term is None else [term]), *identifiers.shortened(word)]))


def _of_part(part: str, languages: tuple[str, ...]) -> tuple[list[tuple[str, float]], int]:
    """Terms of a word without joints with their frequencies, and how many words it counts as."""
    if not part.isalpha():
        if part.isdigit():
            return [(part, 1.0)], 1
        if any(char.isdigit() for char in part):
            return _of_code(part), 1
    if part.lower() in stop_words_of(languages):
        return [(fold(part), 1.0)], 0
    stems = _stems(part, languages)
    weaker = _weaker(part, languages)
    for term in stems:
        weaker.pop(term, None)
    return [*((term, 1.0) for term in stems), (fold(part), EXACT), *weaker.items()], 1


def _of_code(part: str) -> list[tuple[str, float]]:
    """Terms of a word of letters and digits."""
    folded = fold(part)
    wholes = [identifiers.whole(part) or folded, *identifiers.pieces(folded), *identifiers.shortened(part)]
    if len(folded) >= LONG_CODE:
        wholes.append(folded)
    return [(term, 1.0) for term in dict.fromkeys(wholes)]


def _weaker(part: str, languages: tuple[str, ...]) -> dict[str, float]:
    """Parts and further stems of a word, which count for less than its stems."""
    lower = part.lower()
    weaker = dict.fromkeys(parts(part.casefold()) if GERMAN in languages and part.isalpha() else [], PART)
    for language in languages_of_script(part) or languages:
        if found := further(lower, language):
            weaker[found] = FURTHER
    weaker |= {stem(name.lower(), language): PART for name in camel_parts(part) for language in languages}
    return weaker


def _stems(word: str, languages: tuple[str, ...]) -> list[str]:
    used = languages_of_script(word)
    lower = word.casefold()
    used = languages if used is None else used
    if len(used) == 1:
        return [stem(lower, used[0])]
    return list(dict.fromkeys(stem(lower, language) for language in used)) or [fold(word)]
