"""Words of OCR: noise is left out, writing never for one odd thing alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.pictures.words import Reading, Word, without_noise

PAGE = [Word(word, (1, 1), 1, 0.95, 100, 30) for word in ("Every", "vessel", "pays", "its", "berth")]


def kept(*words: Word) -> list[str]:
    """What is left of the words below a page of common writing."""
    return [word.text for word in without_noise([*PAGE, *words])][len(PAGE) :]


def word(text: str, confidence: float, width: int = 90, height: int = 30, line: int = 2) -> Word:
    return Word(text, (2, 1), line, confidence, width, height)


@pytest.mark.parametrize(
    "noise",
    [
        word("KRAKKAKKKKKKKKKEKKEKKKK", 0.14, 800, 15),
        word("uiaiiiiCiaiiiaa", 0.02, 170, 45),
        word("VIN", 0.31, 508, 115),
        word("IIIA", 0.32, 461, 106),
        word("EZ", 0.24, 212, 10),
        word("~_/\\", 0.24, 263, 56),
        word("____", 0.9, 400, 4),
        word("YL", 0.27, 55, 47),
        word("i", 0.36, 17, 15),
    ],
    ids=lambda noise: noise.text,
)
def test_traces_of_rules_frames_and_pictures_are_left_out(noise: Word) -> None:
    assert kept(noise) == []


def test_a_row_of_stars_is_left_out() -> None:
    stars = [word(text, 0.5, 12, 26) for text in ("KK", "KH", "KH", "AK", "KH", "KK")]
    assert kept(*stars) == []


@pytest.mark.parametrize(
    "text", ["12,50", "€", "-", "•", "A", "I", "7", "34", "Mississippi", "–", "§", "1000000000", "Aaaa", "www"]
)
def test_short_and_odd_writing_stays(text: str) -> None:
    assert kept(word(text, 0.55)) == [text]


def test_a_heading_and_small_print_stay() -> None:
    assert kept(word("HARBOUR", 0.9, 900, 120), word("terms", 0.9, 30, 9)) == ["HARBOUR", "terms"]


def test_a_word_of_no_confidence_stays_among_sure_ones() -> None:
    line = [word("Moped", 0.0), word("parking", 0.93), word("1", 0.0)]
    assert kept(*line) == ["Moped", "parking", "1"]
    assert kept(line[0]) == []


def test_a_page_number_stays_alone_in_its_line() -> None:
    assert kept(word("5", 0.3, 12, 28)) == ["5"]


def test_a_row_of_numbers_is_no_rule() -> None:
    numbers = [word(text, 0.5, 20) for text in ("1", "2", "11", "12", "21")]
    assert kept(*numbers) == ["1", "2", "11", "12", "21"]


WORDS = st.lists(
    st.builds(
        Word,
        text=st.text(alphabet="abKI1_-*€.", min_size=1, max_size=12),
        paragraph=st.tuples(st.integers(1, 2), st.integers(1, 2)),
        line=st.integers(1, 3),
        confidence=st.floats(0, 1),
        width=st.integers(0, 900),
        height=st.integers(0, 200),
    ),
    max_size=20,
)


@given(WORDS)
def test_what_is_kept_is_in_order_and_what_is_sure_is_kept(words: list[Word]) -> None:
    reading = Reading.of(words)
    rest = iter(words)
    assert all(any(one is other for other in rest) for one in reading.words)
    assert reading.dropped == len(words) - len(reading.words)
    sure = [one for one in words if one.confidence >= 0.7 and set(one.text) != {"_"}]
    assert all(any(one is other for other in reading.words) for one in sure)
