"""How much the vectors of a question count beside its words."""

from __future__ import annotations

import pytest

from pipeline.search.shares import FOREIGN_SHARE, dense_share
from pipeline.vectorstore.fusion import DENSE_SHARE, fuse

ENGLISH, MULTILINGUAL = "all-MiniLM-L6-v2", "multilingual-e5-small"


@pytest.mark.parametrize(
    "question",
    [
        "Welche Frist gilt, wenn ich meine Wohnung kündigen will?",
        "Wie lange dauert es bis zu der Lieferung",
        "Kündigungsfrist für Mieter",
        "¿Cuándo vence el contrato de la obra?",
        "机械密封",
        "срок договора",
    ],
)
def test_an_english_model_counts_less_in_another_language(question: str) -> None:
    assert dense_share(question, ENGLISH) == FOREIGN_SHARE
    assert dense_share(question, MULTILINGUAL) == dense_share(question, "unknown/model") == DENSE_SHARE


@pytest.mark.parametrize(
    "question",
    ["Where do I order part KP-4567?", "war memorial", "man overboard", "KP-4567", "the café in Köln and the quay", ""],
)
def test_english_questions_and_bare_names_count_as_usual(question: str) -> None:
    assert dense_share(question, ENGLISH) == DENSE_SHARE


def test_the_share_decides_between_vector_and_words() -> None:
    dense, sparse = [("near", 0.9), ("named", 0.1)], [("named", 10.0)]

    assert fuse(dense, sparse, 1, share=0.9)[0][0] == "near"
    assert fuse(dense, sparse, 1, share=0.1)[0][0] == "named"
    assert dict(fuse(dense, sparse, 2, share=0.25))["named"] == pytest.approx(0.25 * 0.1 + 0.75 * 0.5)
