"""Where words of the question stand in a passage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search.highlights import matched_spans
from pipeline.vectorstore.sparse import encode_passages, encode_query


@pytest.mark.parametrize(
    ("text", "question", "marked"),
    [
        ("Zwei Rechnungen und eine Rechnung.", "Rechnung", ["Rechnungen", "Rechnung"]),
        ("Zwei Rechnungen und eine Rechnung.", "die RECHNUNGEN", ["Rechnungen", "Rechnung"]),
        ("The ferries run, one ferry rests.", "ferry", ["ferries", "ferry"]),
        ("Ein Café in Köln", "cafe KOLN", ["Café", "Köln"]),
        ("Part KP-4567, not KP-4568.", "KP-4567", ["KP-4567", "KP"]),
        ("Part KP-4567 and KP4567.", "KP 4567", ["KP-4567", "KP4567"]),
        ("Die Pumpe DIN 912 hält.", "din912", ["DIN 912"]),
        ("Die Rechnungsnummer fehlt.", "die Nummer der Rechnung", ["Rechnungsnummer"]),
        ("Große Straße, GROSSE STRASSE", "strasse", ["Straße", "STRASSE"]),
        ("Mu\u0308ller, Muller und Mueller", "Müller", ["Mu\u0308ller", "Muller", "Mueller"]),
        ("Rech\u00adnung und \ufb01nden", "Rechnung finden", ["Rech\u00adnung", "\ufb01nden"]),
        ("\uff26\uff45\uff52\uff52\uff59 of the harbour", "ferry", ["\uff26\uff45\uff52\uff52\uff59"]),
        ("检查机械密封泄漏。", "机械密封", ["机械密封"]),
        ("機械的な密封、鉄", "鉄", ["鉄"]),
        ("사용자가 서버를 본다", "서버", ["서버"]),
        ("กขคงจ", "ขค", ["ขค"]),
        ("Send an e-mail to x@example.org now", "email", ["e-mail"]),
        ("Насосы и насос", "насосов", ["Насосы", "насос"]),
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


WORDS = st.sampled_from(
    [
        "the",
        "die",
        "Rechnung",
        "Rechnungen",
        "rechnungsnummer",
        "KP-4567",
        "kp",
        "4567",
        "4568",
        "e-mail",
        "ferry",
        "ferries",
        "Straße",
        "STRASSE",
        "Mueller",
        "Müller",
        "机械密封",
        "密封",
        "泄漏",
        "서버를",
        "서버",
        "x@y.org",
        "DIN",
        "912",
        "a.b_c",
        "l'état",
        "naïve",
        "ﬁnden",
        "1,5",
        "Насосы",
        "насос",
    ]
)
TEXTS = st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=40)


@given(TEXTS, TEXTS)
def test_words_are_marked_where_search_by_words_finds_the_passage(text: str, question: str) -> None:
    (passage,) = encode_passages([text])
    found = not set(passage.indices).isdisjoint(encode_query(question).indices)
    assert bool(matched_spans(text, question)) == found


@pytest.mark.parametrize(
    ("text", "question", "marked"),
    [
        ("Zwei Rechnungen und eine Rechnung.", "Rechnung", ["Rechnungen", "Rechnung"]),
        ("Ein Café in Köln", "cafe KOLN", ["Café", "Köln"]),
        ("Part KP-4567, not KP-4568.", "KP-4567", ["KP", "4567", "KP"]),
        ("the of and", "the of and", []),
        ("检查机械密封泄漏。", "机械密封", []),
    ],
)
def test_an_index_with_the_former_analyser_is_marked_by_it(text: str, question: str, marked: list[str]) -> None:
    assert [text[start:end] for start, end in matched_spans(text, question, 1)] == marked


def test_the_marks_of_a_passage_are_bounded() -> None:
    assert len(matched_spans("ferry " * 5000, "ferry")) == 200
