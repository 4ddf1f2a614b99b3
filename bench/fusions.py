"""Fusions of dense and sparse results that were tried, in memory, over whole texts: a part of `bench/retrieval.py`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from math import log
from typing import Any, TypeAlias

import numpy as np
from ndcg import Corpus, evaluate, first

from embeddings.known_models import DEFAULT
from pipeline.search.shares import dense_share
from pipeline.vectorstore.fusion import DENSE_SHARE, HALF
from pipeline.vectorstore.sparse import encode_passages, encode_query

__all__ = ["Matrices", "matrices", "rows"]

Array: TypeAlias = Any
Encode: TypeAlias = Callable[[Sequence[str]], Any]
Matrices: TypeAlias = tuple[Array, Array, Array]
"""Cosines and BM25: (questions, texts) each; and the share of the cosines in Docrelay's own fusion: (questions, 1)."""

Fusion: TypeAlias = Callable[[Array, Array, Array], Array]

DEPTH = 100


def matrices(corpus: Corpus, encode: Encode) -> Matrices:
    """Cosine and BM25 of every text for every question, and the share of the cosine."""
    texts, questions = list(corpus.texts.values()), list(corpus.questions.values())
    shares = np.array([[dense_share(question, DEFAULT)] for question in questions])
    return encode(questions) @ encode(texts).T, _bm25(texts, questions), shares


def rows(measured: dict[str, tuple[Corpus, Matrices]], catalogues: Sequence[str]) -> dict[str, dict[str, float]]:
    """Each fusion's figures: nDCG@10 of a judged collection, or the share of questions with the record first."""
    return {
        label: {
            name: evaluate(_search(corpus, fusion(*given)), corpus, first if name in catalogues else None)
            for name, (corpus, given) in measured.items()
        }
        for label, fusion in FUSIONS.items()
    }


def _bm25(texts: list[str], questions: list[str]) -> Array:
    postings: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for number, words in enumerate(encode_passages(texts)):
        for index, weight in zip(words.indices, words.values, strict=True):
            postings[index].append((number, weight))
    scores = np.zeros((len(questions), len(texts)))
    for row, question in zip(scores, map(encode_query, questions), strict=True):
        for index, asked in zip(question.indices, question.values, strict=True):
            found = postings.get(index, [])
            inverse = log((len(texts) - len(found) + 0.5) / (len(found) + 0.5) + 1)
            for number, weight in found:
                row[number] += asked * weight * inverse
    return scores


def _search(corpus: Corpus, scores: Array) -> Callable[[str], list[tuple[str, float]]]:
    ids = list(corpus.texts)
    row_of = dict(zip(corpus.questions.values(), scores, strict=True))

    def ranked(question: str) -> list[tuple[str, float]]:
        row = row_of[question]
        return [(ids[number], float(row[number])) for number in np.argsort(-row, kind="stable")[:DEPTH]]

    return ranked


def _reciprocal(k: int) -> Fusion:
    def fused(cosines: Array, words: Array, _: Array) -> Array:
        return _by_rank(cosines, k) + _by_rank(words, k) * (words > 0)

    return fused


def _by_rank(scores: Array, k: int) -> Array:
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable")
    return np.where(ranks < DEPTH, 1 / (ranks + k), 0.0)


def _relative(share: float) -> Fusion:
    """Both lists of 100 stretched to 0 to 1."""

    def fused(cosines: Array, words: Array, _: Array) -> Array:
        return share * _stretched(cosines) + (1 - share) * _stretched(words)

    return fused


def _stretched(scores: Array) -> Array:
    best = -np.sort(-scores, axis=1)[:, : min(DEPTH, scores.shape[1])]
    low, high = best[:, -1:], best[:, :1]
    return np.clip((scores - low) / np.maximum(high - low, 1e-9), 0, 1)


def _by_best(share: float) -> Fusion:
    """BM25 by the best of the list, the cosine as it is."""

    def fused(cosines: Array, words: Array, _: Array) -> Array:
        return share * cosines + (1 - share) * words / np.maximum(words.max(axis=1, keepdims=True), 1e-9)

    return fused


def _saturating(share: float, half: float) -> Fusion:
    def fused(cosines: Array, words: Array, _: Array) -> Array:
        return share * np.clip(cosines, 0, 1) + (1 - share) * words / (words + half)

    return fused


def _own(cosines: Array, words: Array, shares: Array) -> Array:
    return shares * np.clip(cosines, 0, 1) + (1 - shares) * words / (words + HALF)


FUSIONS: dict[str, Fusion] = {
    "dense alone": lambda cosines, _words, _shares: cosines,
    "sparse alone": lambda _cosines, words, _shares: words,
    "ranks, k = 60": _reciprocal(60),
    "ranks, k = 2": _reciprocal(2),
    "both lists stretched to 0–1, dense .3": _relative(0.3),
    "both lists stretched to 0–1, dense .5": _relative(0.5),
    "both lists stretched to 0–1, dense .7": _relative(0.7),
    "cosine, and BM25 by the list's best, dense .5": _by_best(0.5),
    "cosine, and BM25 by the list's best, dense .7": _by_best(0.7),
    "cosine, and s / (s + 10), dense .3": _saturating(0.3, 10),
    "cosine, and s / (s + 10), dense .4": _saturating(DENSE_SHARE, HALF),
    "cosine, and s / (s + 20), dense .4": _saturating(0.4, 20),
    "cosine, and s / (s + 10), dense .6": _saturating(0.6, 10),
    "**as it is**: s / (s + 10), dense .4, or .1 by `is_foreign`": _own,
}
"""What was tried; ranks are reciprocal rank fusion."""
