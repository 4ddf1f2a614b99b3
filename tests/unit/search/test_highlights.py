"""Where words of the question stand in a passage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search.highlights import matched_spans


@pytest.mark.parametrize(
    ("text", "question", "marked"),
    [
        ("Zwei Rechnungen und eine Rechnung.", "Rechnung", ["Rechnungen", "Rechnung"]),
        ("Zwei Rechnungen und eine Rechnung.", "die RECHNUNGEN", ["Rechnungen", "Rechnung"]),
        ("The ferries run, one ferry rests.", "ferry", ["ferries", "ferry"]),
        ("Ein Café in Köln", "cafe KOLN", ["Café", "Köln"]),
        ("Part KP-4567, not KP-4568.", "KP-4567", ["KP", "4567", "KP"]),
        ("the of and", "the of and", ["the", "of", "and"]),
        ("the boat and the quay", "the boat and the ferry", ["boat"]),
        ("Nothing in common.", "ferry", []),
        ("", "ferry", []),
        ("ferry", "", []),
    ],
)
def test_inflected_and_folded_words_are_marked(text: str, question: str, marked: list[str]) -> None:
    assert [text[start:end] for start, end in matched_spans(text, question)] == marked


@given(st.text(max_size=300), st.text(max_size=60))
def test_spans_are_ascending_and_inside_the_text(text: str, question: str) -> None:
    spans = matched_spans(text, question)
    bounds = [bound for span in spans for bound in span]
    assert bounds == sorted(bounds)
    assert all(0 <= start < end <= len(text) for start, end in spans)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_a_text_that_is_the_question_is_marked_if_it_has_words_that_count(text: str) -> None:
    from pipeline.vectorstore.sparse import encode_query

    if not encode_query(text).indices:
        assert matched_spans(text, text) == []


def test_the_marks_of_a_passage_are_bounded() -> None:
    assert len(matched_spans("ferry " * 5000, "ferry")) == 200
