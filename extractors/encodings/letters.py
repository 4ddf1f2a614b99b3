"""How well a text reads in a language: from how often its letters follow each other."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import log
from pathlib import Path

__all__ = ["LETTERLIKE", "Letters", "is_wide", "letters_of"]

TABLE = Path(__file__).with_name("letter_pairs.tsv")
"""A line per language: its code, a tab, and pairs of letters in bands, each half as frequent as the one before. For
Chinese, Japanese and Korean it holds the characters themselves, the most frequent first.

Source: the pairs are counted in the models of chardet 7.7 (0BSD); the characters, and the pairs of Albanian, in
translations of GNU programs."""

IDEOGRAPHIC = ("zh", "zh-hant", "ja", "ko")

LETTERLIKE = frozenset("ªºµ")
"""Symbols that Unicode counts as letters."""

OF_OTHER_SCRIPTS = frozenset(["ru", "uk", "bg", "be", "mk", "sr", "kk", "tg", "el", "he", "ar", "fa", "ur", "th"])
"""Languages in whose texts Latin words are names, which may be in any language."""

RARE_PAIR, RARE_ASCII, RARE_LETTER, LATIN_NAME = log(2e-4), log(1e-4), log(4e-6), log(1e-2)
ASCII_PAIRS = 80
RARE_IDEOGRAM, FOREIGN, ASCII_LETTER = log(1e-5), log(1e-6), log(1 / 40)
"""Logarithms of the probability of what the table does not hold."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The letters of a text: pairs in small letters, a space for what is no letter; and its wide characters."""

    pairs: Counter[str]
    wide: Counter[str]

    def score(self, language: str, weigh_ascii: bool = True) -> float:
        """The logarithm of the text's probability in this language.

        With `weigh_ascii` many pairs of ASCII letters count as a few: foreign words and program code are in any text.
        """
        known = _table()[language]
        count = sum(n for pair, n in self.pairs.items() if pair.isascii())
        weight = min(1.0, ASCII_PAIRS / count) if weigh_ascii and count else 1.0
        if language in IDEOGRAPHIC:
            foreign = sum(n * (weight * ASCII_LETTER if pair.isascii() else FOREIGN) for pair, n in self.pairs.items())
            return foreign + sum(n * known.get(char, RARE_IDEOGRAM) for char, n in self.wide.items())
        latin = LATIN_NAME if language in OF_OTHER_SCRIPTS else None
        return FOREIGN * self.wide.total() + sum(
            n
            * (weight if pair.isascii() else 1.0)
            * (known.get(pair) or (latin if latin and pair.isascii() else _unseen(pair[1], known)))
            for pair, n in self.pairs.items()
        )


def letters_of(pairs: Counter[tuple[str, str]]) -> Letters:
    """Take the letters of a text, given how often each of its characters follows another."""
    letters: Counter[str] = Counter()
    wide: Counter[str] = Counter()
    for (before, here), count in pairs.items():
        if is_wide(here):
            wide[here] += count
        elif (pair := _normal(before) + _normal(here)) != "  ":
            letters[pair] += count
    return Letters(letters, wide)


def is_wide(char: str) -> bool:
    """Whether it is an ideogram, kana, Hangul or one of their forms and marks."""
    return "\u2e80" <= char <= "\ud7ff" or "\uf900" <= char <= "\ufaff" or "\ufe30" <= char <= "\uffef"


@lru_cache(maxsize=8192)
def _normal(char: str) -> str:
    letter = char not in LETTERLIKE and (char.isalpha() or unicodedata.category(char)[0] == "M") and not is_wide(char)
    return char.lower()[0] if letter else " "


def _unseen(after: str, known: dict[str, float]) -> float:
    if after not in known:
        return RARE_LETTER
    return RARE_ASCII if after.isascii() else RARE_PAIR + known[after]


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, float]]:
    """By language: the logarithm of the probability that the second letter of a pair follows the first."""
    rows = (line.split("\t", 1) for line in TABLE.read_text("utf-8").splitlines())
    return {code: _ideograms(row) if code in IDEOGRAPHIC else _pairs(row) for code, row in rows}


def _ideograms(row: str) -> dict[str, float]:
    """By Zipf's law: how often a character stands is in inverse proportion to its rank."""
    return {char: log(1 / (6 * (rank + 8))) for rank, char in enumerate(row)}


def _pairs(row: str) -> dict[str, float]:
    weights = dict(_bands(row))
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for pair, weight in weights.items():
        first[pair[0]] += weight
        second[pair[1]] += weight
    total = second.total()
    followed = {pair: log(weight / (first[pair[0]] * 1.02)) for pair, weight in weights.items()}
    return followed | {char: max(-4.0, log(weight / total) / 4) for char, weight in second.items()}


def _bands(row: str) -> Iterator[tuple[str, int]]:
    for band, pairs in enumerate(row.split("|")):
        for at in range(0, len(pairs), 2):
            yield pairs[at : at + 2], 1 << (10 - band)
