"""BM25 weights of both analysers: the same everywhere and always, any text; and what analyser 1 matches."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.names import ANALYSER
from pipeline.vectorstore import SparseVector
from pipeline.vectorstore.sparse import encode_passages, encode_query

HARBOUR = {1: 1245317193, 2: 2655051595}
"""The hash of the stem `harbour` by analyser: collections on disk hold it, so it may never change."""

both = pytest.mark.parametrize("analyser", [1, ANALYSER])

EMPTY = SparseVector([], [])


def is_match(question: str, passage: str) -> bool:
    [words] = encode_passages([passage], 1)
    return bool(set(encode_query(question, 1).indices) & set(words.indices))


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("run", "She was running along the quay."),
        ("houses of the harbour", "The house stands alone."),
        ("Vertrag", "Die Verträge der Werft wurden im März verlängert."),
        ("die Verträge", "Der Vertrag ist unterschrieben und liegt bei der Akte."),
        ("Haus", "In den Häusern am Hafen ist es ruhig."),
        ("Muller", "Herr Müller kommt nicht vor der nächsten Woche."),
        ("Müller", "Mr Müller is the master of the harbour."),
        ("STRASSE", "Die Straße ist gesperrt."),
        ("office", "The o\ufb03ce is open."),
        ("etat", "L'e\u0301tat"),
        ("harbour", "the har\u00adbour master"),
        ("日本語", "日本語"),
        ("contract 2026/17", "See contract 2026/17."),
    ],
)
def test_a_query_matches_related_words_of_a_passage(question: str, passage: str) -> None:
    assert is_match(question, passage)


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("die und der", "Die Werft ist alt, und der Kai auch."),
        ("the", "the end of the day"),
        ("boat", "The ship sank."),
    ],
)
def test_other_words_and_stop_words_find_nothing(question: str, passage: str) -> None:
    assert not is_match(question, passage)


@pytest.mark.parametrize("text", ["", " \n\t", "the of and", "und der das", "!?… — ·", "\u00ad", "\x00"])
def test_a_text_without_words_is_empty(text: str) -> None:
    assert encode_passages([text], 1) == [EMPTY]
    assert encode_query(text, 1) == EMPTY


@both
def test_the_weights_are_canonical(analyser: int) -> None:
    [passage] = encode_passages(["The harbour master checks the harbour."], analyser)

    assert encode_query("harbour", analyser) == SparseVector([HARBOUR[analyser]], [1.0])
    weights = dict(zip(passage.indices, passage.values, strict=True))
    # Two of four counted words: tf * (k + 1) / (tf + k * (1 - b + b * 4 / 100)) with k = 1.2, b = .75;
    # analyser 2 counts a word that is its own stem a twentieth more.
    times = {1: 2, 2: 2.1}[analyser]
    assert weights[HARBOUR[analyser]] == pytest.approx(times * 2.2 / (times + 1.2 * (0.25 + 0.75 * 4 / 100)), rel=1e-6)
    # Analyser 2 keeps stop words, for questions of nothing else, and `checks` as it is written.
    assert len(weights) == {1: 3, 2: 5}[analyser]


@both
def test_another_process_gives_the_same(analyser: int) -> None:
    text = "Der Hafenmeister prüft die Boote; the harbour master checks the boats."
    call = f"encode_passages([{text!r}], {analyser})[0], encode_query({text!r}, {analyser})"
    code = f"from pipeline.vectorstore.sparse import *; print({call})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == f"{encode_passages([text], analyser)[0]} {encode_query(text, analyser)}"


@both
def test_many_texts_are_encoded_in_order(analyser: int) -> None:
    texts = ["boat", "", "larch", "boat"]

    vectors = encode_passages(texts, analyser)

    assert vectors == [encode_passages([text], analyser)[0] for text in texts]
    assert encode_passages([], analyser) == []


def test_new_indexes_have_the_newest_analyser() -> None:
    assert encode_passages(["Rechnungen"]) == encode_passages(["Rechnungen"], ANALYSER)
    assert encode_query("Rechnung") == encode_query("Rechnung", ANALYSER)
    assert encode_query("Rechnung", 1) != encode_query("Rechnung", ANALYSER)


@both
@given(text=st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_any_text_is_encoded(analyser: int, text: str) -> None:
    [passage] = encode_passages([text], analyser)
    query = encode_query(text, analyser)

    for vector in (passage, query):
        assert vector.indices == sorted(set(vector.indices))
        assert len(vector.values) == len(vector.indices)
        assert all(value > 0 for value in vector.values)
        assert all(0 <= index < 2**32 for index in vector.indices)
    if analyser == 1:
        assert set(passage.indices) <= set(query.indices)
    assert bool(passage.indices) == bool(query.indices)
    assert not passage.indices or set(passage.indices) & set(query.indices)
