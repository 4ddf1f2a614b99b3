"""Scores from 0 to 1 in each mode, and the fusion of dense and sparse results into one ranking, the same on each store.

The score of a hit is

    dense     the cosine of question and chunk; 0 for a negative one; stretched where a model's cosines begin above 0
    sparse    s / (s + HALF), where s is its BM25: a rare word counts for much, each further one for less
    hybrid    share * dense + (1 - share) * sparse, where the query says the share, DENSE_SHARE unless it does

Scores are added, not ranks: of records that differ in one identifier, the identifier alone makes a difference in BM25,
and no two middling ranks outvote it. Figures of what else was tried are in docs/retrieval.md.

Source: Bruch, Gai and Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import Literal, TypeAlias, TypeVar

from pipeline.types import Mode

__all__ = ["DENSE_SHARE", "HALF", "Ranking", "Scored", "dense_score", "depth", "fuse", "rank", "sparse_score"]

Ranking: TypeAlias = Literal["dense", "sparse"]

Scored: TypeAlias = tuple[str, float]
"""A point's id with a score."""

PointId = TypeVar("PointId", str, int)
"""Ids of points, as their store has them at hand; both kinds of a UUID have the same order."""

DENSE_SHARE = 0.4
"""nDCG@10 hardly depends on it from .35 to .55, nor on HALF from 10 to 24."""

HALF = 10.0
"""The BM25 that scores one half: two or three words of the question that few chunks have."""

DEPTH = 200


def depth(limit: int) -> int:
    """How many points each ranking brings to the fusion of `limit` results."""
    return max(DEPTH, 2 * limit)


def dense_score(cosine: float, least: float = 0.0) -> float:
    """The score of a cosine; 0 for `least` and below."""
    score = (cosine - least) / (1 - least)
    # Called for each of hundreds of points: min and max take three times as long.
    return (score if score < 1.0 else 1.0) if score > 0.0 else 0.0


def sparse_score(bm25: float) -> float:
    """The score of a BM25, which has no upper bound of its own."""
    return bm25 / (bm25 + HALF) if bm25 > 0 else 0.0


def rank(
    mode: Mode,
    rankings: Mapping[Ranking, Sequence[tuple[PointId, float]]],
    limit: int,
    share: float = DENSE_SHARE,
    least: float = 0.0,
) -> list[tuple[PointId, float]]:
    """Rank points with scores from 0 to 1, in a mode.

    Args:
        mode: which rankings count.
        rankings: cosines of `dense` and BM25 of `sparse`, best first; one that is left out is empty.
        limit: how many results are wanted.
        share: the part of a hybrid score that is the dense one.
        least: the cosine that scores 0.
    """
    dense = [(point, dense_score(cosine, least)) for point, cosine in rankings.get("dense", [])]
    sparse = rankings.get("sparse", [])
    if mode == "hybrid":
        return fuse(dense, sparse, limit, share)
    if mode == "dense":
        return dense[:limit]
    return [(point, sparse_score(bm25)) for point, bm25 in sparse[:limit]]


def fuse(
    dense: Sequence[tuple[PointId, float]],
    sparse: Sequence[tuple[PointId, float]],
    limit: int,
    share: float = DENSE_SHARE,
) -> list[tuple[PointId, float]]:
    """Fuse two rankings.

    A point that only the words found has at most the lowest cosine of the dense ranking, and gets that; one that only
    the vector found has no words, or few that count.

    Args:
        dense: ids with their cosines, best first.
        sparse: ids with their BM25, best first; empty for a question without words.
        limit: how many results are wanted.
        share: the part of a score that is the dense one.

    Returns:
        Ids with scores from 0 to 1, best first; of equal scores the higher cosine first, then the lower id.
    """
    words = {point: (1 - share) * sparse_score(bm25) for point, bm25 in sparse}
    lowest = min((cosine for _, cosine in dense), default=0.0)
    # Negative, so that the smallest row is the best point: of equal numbers the lower id goes first.
    rows = [(-(share * dense_score(cosine) + words.pop(point, 0.0)), -cosine, point) for point, cosine in dense]
    of_lowest = share * dense_score(lowest)
    rows += [(-(of_lowest + of_words), -lowest, point) for point, of_words in words.items()]
    return [(point, -score) for score, _, point in nsmallest(limit, rows)]
