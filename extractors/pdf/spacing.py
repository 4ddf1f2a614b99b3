"""Letters that are set apart, as in a heading, are words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from extractors.pdf.placement import Run

__all__ = ["may_be_set_apart", "spaces_within_words"]

SPACED = re.compile(r"(?<!\S)\S{1,3}(?: \S{1,3}){3,}(?!\S)")
"""May be letters that are set apart."""
NAME = re.compile(r"[A-ZÀ-Þ][^\WA-Z\d_]+|[A-ZÀ-Þ]{6,}")
"""A word whose letters someone typed apart; others without words beside them may be a list."""
SINGLES = re.compile(r"(?<!\S)\S(?: \S){4,}(?!\S)")
VOWEL = re.compile(r"[aeiouyäöü]|[^a-z\W\d_]")
LETTER = "[A-Za-zÀ-\u058f]"
"""Of a script that has spaces between words and is written from left to right."""
TORN = re.compile(rf"(?<={LETTER}{LETTER}) (?![aAIoOyYeEuUàÀ])({LETTER})(?=[ .,;:!?\r]|$)")
"""A letter by itself that is no word, after a word."""
FOREIGN = "\u0590"
"""From this character on, scripts are written in other ways than one letter beside the other, with spaces."""
MANY_TORN = 4
PAIR = re.compile(r"[^\W_](?= (?:[^\W_]|[.,;:!?)]))")
CLOSE = 0.03
"""Ems by which two letters may stand further apart than others of their words."""
LEAST_LETTERS = 5
LEAST_SINGLE = 0.6
"""Share of single characters in letters that are set apart: here and there two are read as one."""
EM = 1.2
"""Height of a line in ems."""
SPREAD = 1.6
"""Gaps between letters differ by no more than this factor; wider ones are between words."""
WIDEST = 0.8
"""Ems between two letters of one word, at most: what stands further apart is a table."""


def may_be_set_apart(text: str) -> bool:
    """Whether the text looks as if letters were set apart, or torn off their words."""
    torn = TORN.findall(text)
    return (len(torn) >= MANY_TORN and len(set(torn)) * 2 >= MANY_TORN) or any(
        _is_spaced(match[0]) for match in SPACED.finditer(text)
    )


def spaces_within_words(text: str, runs: list[Run]) -> dict[int, str]:
    """The spaces between letters that are set apart, which go, and those between their words, which stay."""
    at = {run.start: run for run in runs if not text[run.start].isspace()}
    typed = {run.start for run in runs if text[run.start] == " "}
    spaces = _torn(text, at, typed)
    for low, high in _candidates(text):
        if spaces.keys().isdisjoint(range(low, high)):
            spaces.update(_closed_between(text[low:high], range(low, high), at, typed))
    return spaces


def _candidates(text: str) -> Iterator[tuple[int, int]]:
    """Stretches that may be letters set apart; then those of single letters in them, beside which plain words stand."""
    for match in SPACED.finditer(text):
        yield match.span()
        for inner in SINGLES.finditer(match[0]):
            yield match.start() + inner.start(), match.start() + inner.end()


def _closed_between(tokens: str, span: range, at: dict[int, Run], typed: set[int]) -> dict[int, str]:
    """The spaces within words of a stretch of letters; {} if these may be a list."""
    letters = [at[index] for index in span if index in at]
    word = tokens.replace(" ", "")
    if not _is_spaced(tokens) or len(letters) != len(word):
        return {}
    closed = _closed(letters)
    is_word = len(closed) < tokens.count(" ") or NAME.fullmatch(word)
    return closed if is_word or typed.isdisjoint(span) else {}


def _closed(letters: list[Run]) -> dict[int, str]:
    """The spaces within words; {} if the letters are not set apart evenly."""
    em = median(run.top - run.bottom for run in letters) / EM
    gaps = [after.left - before.right for before, after in pairwise(letters)]
    usual = median(gaps)
    between = [gap for gap in gaps if gap <= SPREAD * usual]
    if not 0.05 * em < usual <= WIDEST * em or min(gaps) < usual / SPREAD or len(between) < LEAST_SINGLE * len(gaps):
        return {}
    pairs = zip(pairwise(letters), gaps, strict=True)
    return {before.end: "" for (before, after), gap in pairs if gap <= SPREAD * usual and after.start > before.end}


def _torn(text: str, at: dict[int, Run], typed: set[int]) -> dict[int, str]:
    """The spaces in words whose last or first letter is set by itself, as close as the others are set."""
    spaces = (match.end() for match in PAIR.finditer(text))
    return {space: "" for space in spaces if space not in typed and _is_close(space, at)}


def _is_close(space: int, at: dict[int, Run]) -> bool:
    """Whether the letters around a space are no further apart than those on one side of it."""
    letters = [at.get(offset) for offset in (space - 2, space - 1, space + 1, space + 2)]
    first, before, after, last = letters
    if before is None or after is None:
        return False
    gaps = [b.left - a.right for a, b in ((first, before), (after, last)) if a and b]
    em = (before.top - before.bottom) / EM
    return any(-0.1 * em < after.left - before.right <= max(gap, 0.0) + CLOSE * em for gap in gaps)


def _is_spaced(tokens: str) -> bool:
    """Whether these may be the letters of words: mostly single ones, and no list of letters or marks."""
    singles = sum(len(token) == 1 for token in tokens.split(" "))
    letters = [char for char in tokens.lower() if char.isalpha() and char < FOREIGN]
    ordered = sum(ord(after) == ord(before) + 1 for before, after in pairwise(letters))
    return (
        singles >= LEAST_SINGLE * (tokens.count(" ") + 1)
        and len(letters) >= LEAST_LETTERS
        and len(letters) * 2 > len(tokens.replace(" ", ""))
        and len(set(letters)) * 2 >= len(letters)
        and ordered * 2 < len(letters)
        and any(map(VOWEL.match, letters))
    )
