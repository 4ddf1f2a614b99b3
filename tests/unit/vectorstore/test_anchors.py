"""Patterns that are tried only at known places find what they find in the whole text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.vectorstore.analysis import dates, numbers, words
from pipeline.vectorstore.analysis.anchors import matches_at
from pipeline.vectorstore.analysis.folding import plain

PIECES = ["5", "12", "345", "2026", "19990101", "0", "1.5", "kW", "code", "März", "x", "_", "東"]
SIGNS = " .,:/-+()'’§%#年月日\n"
TEXTS = st.lists(st.sampled_from([*PIECES, *SIGNS]) | st.characters(), max_size=30).map("".join).map(plain)


@pytest.mark.parametrize("pattern", [numbers.WITH_NEXT, numbers.BARE, numbers.GROUPED])
@given(text=TEXTS)
def test_a_number_begins_at_one_of_the_starts(pattern: re.Pattern[str], text: str) -> None:
    starts = [match.start() for match in numbers.START.finditer(text)]

    found = [match.span() for match in matches_at(pattern, text, starts)]

    assert found == [match.span() for match in pattern.finditer(text)]


@pytest.mark.parametrize("pattern", [dates.YEAR_FIRST, dates.COMPACT, dates.YEAR_LAST, dates.DAY_NAME])
@given(text=TEXTS)
def test_a_date_begins_at_a_run_of_digits(pattern: re.Pattern[str], text: str) -> None:
    starts = [match.start() for match in dates.RUN.finditer(text)]

    found = [match.span() for match in matches_at(pattern, text, starts)]

    assert found == [match.span() for match in pattern.finditer(text)]


def test_matches_do_not_overlap() -> None:
    assert [match[0] for match in matches_at(re.compile("..."), "abcdef", range(6))] == ["abc", "def"]


@given(TEXTS)
def test_both_ways_to_split_agree_on_ascii(text: str) -> None:
    ascii_text = text.encode("ascii", "ignore").decode()

    assert words.SPLIT_ASCII.findall(ascii_text) == words.SPLIT.findall(ascii_text)
