"""BM25 weights: the same everywhere and always, any text, English and German."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.vectorstore import SparseVector
from pipeline.vectorstore.sparse import encode_passages, encode_query

HARBOUR = 1245317193
"""The hash of the stem `harbour`: collections on disk hold it, so it may never change."""

EMPTY = SparseVector([], [])


def is_match(question: str, passage: str) -> bool:
    [words] = encode_passages([passage])
    return bool(set(encode_query(question).indices) & set(words.indices))


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
    assert encode_passages([text]) == [EMPTY]
    assert encode_query(text) == EMPTY


def test_the_weights_are_canonical() -> None:
    [passage] = encode_passages(["The harbour master checks the harbour."])

    assert encode_query("harbour") == SparseVector([HARBOUR], [1.0])
    weights = dict(zip(passage.indices, passage.values, strict=True))
    # Two of four counted words: tf * (k + 1) / (tf + k * (1 - b + b * 4 / 100)) with k = 1.2, b = .75
    assert weights[HARBOUR] == pytest.approx(2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 4 / 100)), rel=1e-6)
    assert len(weights) == 3


def test_another_process_gives_the_same() -> None:
    text = "Der Hafenmeister prüft die Boote; the harbour master checks the boats."
    code = f"from pipeline.vectorstore.sparse import *; print(encode_passages([{text!r}])[0], encode_query({text!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == f"{encode_passages([text])[0]} {encode_query(text)}"


def test_many_texts_are_encoded_in_order() -> None:
    texts = ["boat", "", "larch", "boat"]

    vectors = encode_passages(texts)

    assert vectors == [encode_passages([text])[0] for text in texts]
    assert encode_passages([]) == []


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_any_text_is_encoded(text: str) -> None:
    [passage] = encode_passages([text])
    query = encode_query(text)

    for vector in (passage, query):
        assert vector.indices == sorted(set(vector.indices))
        assert len(vector.values) == len(vector.indices)
        assert all(value > 0 for value in vector.values)
        assert all(0 <= index < 2**32 for index in vector.indices)
    assert set(passage.indices) <= set(query.indices)
