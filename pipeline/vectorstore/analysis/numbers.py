"""Numbers with what belongs to them: units (`5 kW`), sections (`§ 14`), groups of digits, telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.vectorstore.analysis.anchors import matches_at
from pipeline.vectorstore.analysis.dates import Match
from pipeline.vectorstore.analysis.folding import fold
from pipeline.vectorstore.analysis.stop_words import LANGUAGES_OF

__all__ = ["matches"]

START = re.compile(r"\d(?<![\w.,]\d)")
"""Where a number may begin. The digit stands first because `re` finds it in a third of the time."""

NUMBER = r"\d+(?:[.,]\d+)*"
WITH_NEXT = re.compile(rf"(?<![\w.,:/-])({NUMBER})\s?([^\W\d_]{{1,20}}|[%€$£°])(?!\w)")
BARE = re.compile(rf"(?<![\w.,]){NUMBER}(?!\w)")
PREVIOUS = re.compile(r"(?:([^\W\d_]{1,20})(?:[.:=#]\s?|\s)|(§)[.:=#]?\s?)$")
BEFORE = ".:=#§"
"""Last character of what is found before a number, if it is no space."""

REACH = 23
"""Characters before a number in which the word before it is."""

GROUPED = re.compile(r"(?<![\w.,'])(\d{1,3}(?:([.,'\u2019 ])\d{3})(?:\2\d{3})*)(?:[.,](\d\d?))?(?![\w'\u2019]|[.,]\d)")
TELEPHONE = re.compile(r"(?<![\w.,])(?:\+|\(?0)\d[\d ()/.-]{5,20}\d(?!\w)")

SECTION_WORDS = {"paragraph": "§", "paragraf": "§"}
"""Words for signs."""

NO_DIGITS = re.compile(r"\(0\)|\D")

TELEPHONE_WEIGHT = 2.0
"""More than that of two groups of its digits, which may be house numbers."""

COMPARED, LEAST_DIGITS, MOST_DIGITS = 7, 8, 15
"""Last digits by which a telephone number is found, with and without its country, and how many digits it has."""


def matches(text: str) -> Iterator[Match]:
    """Yield numbers of a plain text with the word after or before them, and those written in groups."""
    starts = [match.start() for match in START.finditer(text)]
    for match in matches_at(WITH_NEXT, text, starts):
        if match[2].lower() not in LANGUAGES_OF:
            yield *match.span(), f"{_pieces(match[1])}|{fold(match[2])}", 1.0
    yield from _with_previous(text, starts)
    for match in matches_at(GROUPED, text, starts):
        whole = NO_DIGITS.sub("", match[1])
        yield *match.span(), f"{whole}|{match[3]}" if match[3] else whole, 1.0
    yield from _telephones(text, starts)


def _with_previous(text: str, starts: Sequence[int]) -> Iterator[Match]:
    for match in matches_at(BARE, text, [start for start in starts if _may_have_previous(text, start)]):
        place = max(match.start() - REACH, 0)
        previous = PREVIOUS.search(text[place : match.start()])
        word = previous and (previous[1] or previous[2])
        if previous and word and word.lower() not in LANGUAGES_OF:
            name = fold(word)
            yield place + previous.start(), match.end(), f"{SECTION_WORDS.get(name, name)}|{_pieces(match[0])}", 1.0


def _may_have_previous(text: str, start: int) -> bool:
    previous = text[start - 1 : start]
    return previous.isspace() or previous in BEFORE


def _pieces(number: str) -> str:
    return number.replace(",", "|").replace(".", "|")


def _telephones(text: str, starts: Sequence[int]) -> Iterator[Match]:
    signs = (place for start in starts for place in (start - 1, start) if place >= 0 and text[place] in "+(0")
    for match in matches_at(TELEPHONE, text, signs):
        digits = NO_DIGITS.sub("", match[0])
        if LEAST_DIGITS <= len(digits) <= MOST_DIGITS:
            yield *match.span(), f"tel|{digits[-COMPARED:]}", TELEPHONE_WEIGHT
