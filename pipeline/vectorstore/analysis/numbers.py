"""Numbers with what belongs to them: units (`5 kW`), sections (`§ 14`), groups of digits, telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.vectorstore.analysis.dates import Match
from pipeline.vectorstore.analysis.folding import fold
from pipeline.vectorstore.analysis.stop_words import LANGUAGES_OF

__all__ = ["matches"]

NUMBER = r"\d+(?:[.,]\d+)*"
WITH_NEXT = re.compile(rf"(?<![\w.,:/-])({NUMBER})\s?([^\W\d_]{{1,20}}|[%€$£°])(?!\w)")
BARE = re.compile(rf"(?<![\w.,]){NUMBER}(?!\w)")
PREVIOUS = re.compile(r"(?:([^\W\d_]{1,20})(?:[.:=#]\s?|\s)|(§)[.:=#]?\s?)$")
REACH = 23
"""Characters before a number in which the word before it is."""

GROUPED = re.compile(r"(?<![\w.,'])(\d{1,3}(?:([.,'\u2019 ])\d{3})(?:\2\d{3})*)(?:[.,](\d\d?))?(?![\w'\u2019]|[.,]\d)")
TELEPHONE = re.compile(r"(?<![\w.,])(?:\+|\(?0)\d[\d ()/.-]{5,20}\d(?!\w)")

SECTION_WORDS = {"paragraph": "§", "paragraf": "§"}
"""Words for signs."""

DIGIT = re.compile(r"\d")
NO_DIGITS = re.compile(r"\(0\)|\D")

TELEPHONE_WEIGHT = 2.0
"""More than that of two groups of its digits, which may be house numbers."""

COMPARED, LEAST_DIGITS, MOST_DIGITS = 7, 8, 15
"""Last digits by which a telephone number is found, with and without its country, and how many digits it has."""


def matches(text: str) -> Iterator[Match]:
    """Yield numbers of a plain text with the word after or before them, and those written in groups."""
    if not DIGIT.search(text):
        return
    for match in WITH_NEXT.finditer(text):
        if match[2].lower() not in LANGUAGES_OF:
            yield *match.span(), f"{_pieces(match[1])}|{fold(match[2])}", 1.0
    yield from _with_previous(text)
    for match in GROUPED.finditer(text):
        whole = NO_DIGITS.sub("", match[1])
        yield *match.span(), f"{whole}|{match[3]}" if match[3] else whole, 1.0
    yield from _telephones(text)


def _with_previous(text: str) -> Iterator[Match]:
    for match in BARE.finditer(text):
        place = max(match.start() - REACH, 0)
        previous = PREVIOUS.search(text[place : match.start()])
        word = previous and (previous[1] or previous[2])
        if previous and word and word.lower() not in LANGUAGES_OF:
            name = fold(word)
            yield place + previous.start(), match.end(), f"{SECTION_WORDS.get(name, name)}|{_pieces(match[0])}", 1.0


def _pieces(number: str) -> str:
    return number.replace(",", "|").replace(".", "|")


def _telephones(text: str) -> Iterator[Match]:
    for match in TELEPHONE.finditer(text):
        digits = NO_DIGITS.sub("", match[0])
        if LEAST_DIGITS <= len(digits) <= MOST_DIGITS:
            yield *match.span(), f"tel|{digits[-COMPARED:]}", TELEPHONE_WEIGHT
