"""The part of a passage that `docrelay search` shows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.search_output import excerpt


def test_an_excerpt_shows_the_words_of_the_question() -> None:
    text = "An opening that says nothing. " * 20 + "The ferry made eleven knots on her trial. " + "And so on. " * 40
    start, part = excerpt(text, "How many knots did the ferry make?", 120)
    assert "eleven knots" in part
    assert text[start:].startswith(part)


@given(st.text(max_size=600), st.text(max_size=40), st.integers(20, 400))
def test_an_excerpt_is_a_substring_of_the_text(text: str, query: str, size: int) -> None:
    start, part = excerpt(text, query, size)
    assert text[start : start + len(part)] == part
    assert len(part) <= size or part == text
    assert part or not text.strip() or len(text) > size
