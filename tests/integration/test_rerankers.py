"""Rerankers: a tiny real cross-encoder orders the hits of a search by its own scores."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from search_rig import SearchRig, search_rig
from tiny_models import save_cross_encoder

from embeddings import HubUnreachable, RerankerUnavailable, load_reranker
from embeddings.vectors import Vectors
from pipeline.errors import BadRequest
from pipeline.search import search

QUESTION = "where is the tiller of the ferry"
TEXTS = [
    "the tiller is under the bench",
    "the ferry rests in the harbour",
    "a lamp burns on our boat",
    "eleven knots",
    "who is in my boat",
    "the bench of the ferry and the lamp of the harbour",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, float]:
    """Scores of the texts by sentence-transformers without our code."""
    import torch
    from sentence_transformers import CrossEncoder

    logits = CrossEncoder(str(folder), device="cpu").predict(
        [(QUESTION, text) for text in TEXTS], activation_fn=torch.nn.Identity()
    )
    return {text: 1 / (1 + np.exp(-float(logit))) for text, logit in zip(TEXTS, logits, strict=True)}


@pytest.fixture(scope="module")
def rig(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchRig]:
    with search_rig(tmp_path_factory.mktemp("rerank"), reranker=str(folder)) as rig:
        rig.take("docs", "/one.txt", TEXTS[:3])
        rig.take("docs", "/two.txt", TEXTS[3:])
        yield rig


def test_scores_are_the_models_own_from_0_to_1(folder: Path, expected: dict[str, float]) -> None:
    reranker = load_reranker(str(folder), "cpu")
    scores: Vectors = reranker.score(QUESTION, TEXTS)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [expected[text] for text in TEXTS], atol=1e-5)
    assert scores.max() - scores.min() > 0.05
    assert reranker.score(QUESTION, []).shape == (0,)
    assert reranker.score("lone \ud800", ["surrogate \udfff"]).shape == (1,)


def test_hits_are_in_the_order_of_the_reranker(rig: SearchRig, expected: dict[str, float]) -> None:
    result = search(rig.services, QUESTION, "docs")
    assert result.reranked
    assert [hit.text for hit in result.hits] == sorted(TEXTS, key=lambda text: -expected[text])
    for hit in result.hits:
        assert hit.score == pytest.approx(expected[hit.text], abs=1e-5)
    plain = search(rig.services, QUESTION, "docs", rerank=False)
    assert not plain.reranked
    assert [hit.text for hit in plain.hits] != [hit.text for hit in result.hits]


def test_only_the_best_passages_are_read(rig: SearchRig, expected: dict[str, float]) -> None:
    best = [hit.text for hit in search(rig.services, QUESTION, "docs", rerank=False, limit=3).hits]
    hits = search(rig.services, QUESTION, "docs", rerank_depth=3, limit=2).hits
    assert [hit.text for hit in hits] == sorted(best, key=lambda text: -expected[text])[:2]


def test_hits_by_document_have_the_best_passage_of_the_reranker(rig: SearchRig, expected: dict[str, float]) -> None:
    hits = search(rig.services, QUESTION, "docs", group="document").hits
    best = {
        "/one.txt": max(TEXTS[:3], key=lambda text: expected[text]),
        "/two.txt": max(TEXTS[3:], key=lambda text: expected[text]),
    }
    assert {hit.source: hit.text for hit in hits} == best
    assert [hit.passages for hit in hits] == [3, 3]


def test_further_passages_take_the_place_of_no_document(rig: SearchRig) -> None:
    """As many passages are read as documents are wanted: one of each."""
    rig.take("long", "/one.txt", [f"{QUESTION}, {word}" for word in ("lamp", "boat", "knots")])
    rig.take("long", "/two.txt", ["eleven knots"])
    hits = search(rig.services, QUESTION, "long", group="document", limit=2, rerank_depth=2).hits
    assert {hit.source for hit in hits} == {"/one.txt", "/two.txt"}


def test_the_least_score_is_that_of_the_reranker(rig: SearchRig, expected: dict[str, float]) -> None:
    bound = sorted(expected.values())[2]
    hits = search(rig.services, QUESTION, "docs", min_score=bound - 1e-4).hits
    assert len(hits) == 4


def test_a_reranker_is_asked_for_where_none_is_set_up(tmp_path: Path) -> None:
    with search_rig(tmp_path) as rig:
        rig.take("docs", "/one.txt", TEXTS)
        assert not search(rig.services, QUESTION, "docs", rerank=None).reranked
        with pytest.raises(BadRequest, match="No reranker is set up") as caught:
            search(rig.services, QUESTION, "docs", rerank=True)
        assert "`reranker`" in caught.value.hint


@pytest.mark.parametrize("name", ["nowhere", "/nowhere/at/all", "./nowhere", "no//model"])
def test_a_reranker_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(RerankerUnavailable, match=name) as caught:
        load_reranker(name)
    assert "hub model" in caught.value.hint
    with search_rig(tmp_path, reranker=name) as rig:
        rig.take("docs", "/one.txt", TEXTS)
        with pytest.raises(RerankerUnavailable, match=name):
            search(rig.services, QUESTION, "docs")
        assert search(rig.services, QUESTION, "docs", rerank=False).hits


def test_a_hub_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachable):
        load_reranker("cross-encoder/ms-marco-MiniLM-L6-v2")


def test_a_model_with_several_scores_or_damaged_files_is_refused(folder: Path, tmp_path: Path) -> None:
    save_cross_encoder(tmp_path / "classes", labels=3)
    with pytest.raises(RerankerUnavailable, match="3 scores"):
        load_reranker(str(tmp_path / "classes"))
    shutil.copytree(folder, tmp_path / "cut")
    (tmp_path / "cut" / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(RerankerUnavailable, match="cannot be loaded"):
        load_reranker(str(tmp_path / "cut"))
