"""How much the vectors of a question count beside its words."""

from __future__ import annotations

import pytest

from pipeline.search.shares import FOREIGN_SHARE, dense_share, least_cosine, weighted
from pipeline.vectorstore import Query
from pipeline.vectorstore.fusion import DENSE_SHARE, Ranking, Scored, dense_score, fuse, rank

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


def test_cosines_that_lie_close_together_are_stretched() -> None:
    query = weighted(
        Query("hybrid", 5, [1.0]), "Welche Frist gilt, wenn ich kündigen will?", "intfloat/multilingual-e5-base"
    )

    assert (query.least_cosine, query.dense_share) == (0.7, DENSE_SHARE)
    assert [least_cosine(model) for model in (ENGLISH, "bge-m3", "unknown/model")] == [0, 0, 0]
    assert [dense_score(cosine, 0.7) for cosine in (0.2, 0.7, 0.85, 1.0)] == pytest.approx([0, 0, 0.5, 1])
    close: dict[Ranking, list[Scored]] = {"dense": [("a", 0.94), ("b", 0.82)], "sparse": [("b", 2.0), ("a", 0.5)]}
    assert [rank("hybrid", close, 1, least=least)[0][0] for least in (0.0, 0.7)] == ["b", "a"]
    assert dict(rank("dense", close, 2, least=0.7)) == pytest.approx({"a": 0.8, "b": 0.4})
