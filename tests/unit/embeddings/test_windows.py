"""Windows of a long question: every token is in one, none is longer than the model reads, and the end stands alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.tokenizer import CautiousTokenizer, WordTokenizer
from embeddings.windows import windows

FILLER = "Please help me with the following question, which I have thought about for a long while. "
WORDS = WordTokenizer()


def texts(text: str, room: int, most: int = 8) -> list[str]:
    return [text[start:end] for start, end in windows(text, WORDS, room, most)]


def test_a_text_that_fits_is_one_window() -> None:
    assert windows("What is stored there?", WORDS, 5, 8) == [(0, 21)]
    assert windows("", WORDS, 5, 8) == [(0, 0)]


def test_windows_end_with_sentences_and_the_last_sentence_stands_alone() -> None:
    text = FILLER * 12 + "What lies under bench forty-two?"
    parts = texts(text, 100)
    assert parts[-1] == "What lies under bench forty-two?"
    assert parts[-2].endswith(parts[-1])
    assert "".join(parts[:-1]) == text
    assert all(part.startswith("Please help") for part in parts[:-1])


def test_a_last_sentence_that_is_a_window_is_not_taken_twice() -> None:
    text = "word " * 150 + ". " + "Where is it?"
    parts = texts(text, 100)
    assert parts.count(parts[-1]) == 1


@pytest.mark.parametrize("text", ["机械密封泄漏。" * 200, "x" * 4000, "word " * 700, "1.5.2 " * 300])
def test_any_script_is_cut(text: str) -> None:
    parts = texts(text, 90)
    assert 2 <= len(parts) <= 8
    assert all(1 <= len(WORDS.offsets(part)) <= 90 for part in parts)


@pytest.mark.parametrize("words", [600, 700, 790])
def test_nothing_is_lost_while_the_windows_have_room(words: int) -> None:
    """Sentences of 13 tokens leave gaps at the ends of windows of 100."""
    text = "Our company moved offices last year and the archive was emptied. " * (words // 12)
    parts = texts(text, 116)
    assert len(parts) <= 8
    assert "".join(parts[:-1]) == text
    assert parts[-1].startswith("Our company")


def test_a_text_that_is_too_long_keeps_its_beginning_and_its_end() -> None:
    text = "First of all. " + FILLER * 300 + "What lies under bench forty-two?"
    parts = texts(text, 50)
    assert len(parts) == 8
    assert parts[0].startswith("First of all.")
    assert parts[-1] == "What lies under bench forty-two?"


@given(st.text(max_size=1500), st.integers(1, 120), st.integers(2, 9))
def test_windows_are_bounded_ordered_and_whole(text: str, room: int, most: int) -> None:
    spans = windows(text, WORDS, room, most)
    assert 1 <= len(spans) <= most
    assert spans == sorted(spans)
    assert all(len(WORDS.offsets(text[start:end])) <= room for start, end in spans)
    assert (spans[0][0], spans[-1][1]) == (0, len(text))
    if len(spans) < most:
        covered = {index for start, end in spans for index in range(start, end)}
        assert covered == set(range(len(text)))


@given(st.text(max_size=800), st.integers(2, 90))
def test_no_window_is_empty(text: str, room: int) -> None:
    """A tokenizer that approximates counts two tokens at one place."""
    spans = windows(text, CautiousTokenizer(), room, 8)
    assert all(start < end for start, end in spans) or len(spans) == 1
