"""Fusion of rankings as a function of data: order, bounds, ties, and points that only one ranking found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.vectorstore.fusion import DENSE_SHARE, HALF, Scored, dense_score, depth, fuse, rank, sparse_score

IDS = st.sampled_from("abcdefghij")


def rankings(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[Scored]]:
    return st.dictionaries(IDS, values).map(lambda scores: sorted(scores.items(), key=lambda row: -row[1]))


COSINES = rankings(st.floats(-1, 1))
BM25 = rankings(st.floats(0.01, 500))


@given(COSINES, BM25, st.integers(1, 12))
def test_the_best_of_all_points_in_order(dense: list[Scored], sparse: list[Scored], limit: int) -> None:
    fused = fuse(dense, sparse, limit)

    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    ids = {point for point, _ in [*dense, *sparse]}
    assert len(fused) == min(limit, len(ids))
    assert {point for point, _ in fused} <= ids
    assert fused == fuse(dense, sparse, 12)[:limit]


@given(COSINES, BM25)
def test_a_point_that_is_better_in_both_is_before_the_other(dense: list[Scored], sparse: list[Scored]) -> None:
    place = {point: number for number, (point, _) in enumerate(fuse(dense, sparse, 12))}
    cosines, words = dict(dense), dict(sparse)

    for one in cosines.keys() & words.keys():
        for other in cosines.keys() & words.keys():
            if cosines[one] > cosines[other] and words[one] >= words[other]:
                assert place[one] < place[other]


def test_a_rare_word_is_not_outvoted_by_two_middling_ranks() -> None:
    dense = [("near", 0.74), ("nearer", 0.72), *((f"record {number}", 0.7) for number in range(50)), ("named", 0.68)]
    sparse = [("named", 9.0), ("near", 0.4), ("nearer", 0.3)]

    assert [point for point, _ in fuse(dense, sparse, 3)] == ["named", "near", "nearer"]


def test_a_point_found_by_its_words_alone_has_the_lowest_cosine_at_most() -> None:
    dense, sparse = [("a", 0.8), ("b", 0.5)], [("c", HALF)]

    fused = dict(fuse(dense, sparse, 3))

    assert fused["c"] == pytest.approx(DENSE_SHARE * 0.5 + (1 - DENSE_SHARE) * 0.5)
    assert fused["a"] == pytest.approx(DENSE_SHARE * 0.8)


def test_equal_scores_are_in_the_order_of_their_ids() -> None:
    assert [point for point, _ in fuse([("b", 0.5), ("a", 0.5), ("c", 0.6)], [], 3)] == ["c", "a", "b"]
    assert fuse([], [], 3) == []


def test_each_mode_scores_its_own_ranking() -> None:
    lists = {"dense": [("a", 1.0000001), ("b", 0.25), ("c", -0.5)], "sparse": [("b", 3 * HALF)]}

    assert rank("dense", {"dense": lists["dense"]}, 3) == [("a", 1.0), ("b", 0.25), ("c", 0.0)]
    assert rank("sparse", {"sparse": lists["sparse"]}, 3) == [("b", 0.75)]
    assert rank("sparse", {}, 3) == []
    assert rank("hybrid", {"dense": lists["dense"], "sparse": lists["sparse"]}, 1)[0][0] == "b"
    assert rank("hybrid", {"dense": lists["dense"]}, 2) == [("a", DENSE_SHARE), ("b", DENSE_SHARE * 0.25)]


def test_scores_of_one_ranking() -> None:
    assert [dense_score(cosine) for cosine in (-1.0, 0.0, 0.3, 1.0)] == [0, 0, 0.3, 1]
    assert [sparse_score(bm25) for bm25 in (0.0, HALF, 3 * HALF)] == [0, 0.5, 0.75]


def test_the_rankings_are_deeper_than_what_is_wanted() -> None:
    assert (depth(1), depth(1000)) == (200, 2000)
