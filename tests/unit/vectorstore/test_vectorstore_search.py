"""Search of every vector store: rankings against a computation in the test, and each filter."""

from __future__ import annotations

import hashlib
import random
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stores
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import EMPTY, Placement, fill, matching, points, vectors

from pipeline.errors import BadRequest
from pipeline.vectorstore import Filter, Mode, Query
from pipeline.vectorstore.fusion import DENSE_SHARE, HALF
from pipeline.vectorstore.metadata_values import metadata_values
from pipeline.vectorstore.sparse import encode_passages, encode_query

stand_in = stores.stand_in
library = stores.library
placement = stores.placement


def test_dense_is_the_exact_cosine_order(placement: Placement) -> None:
    fill(placement, [{"n": number} for number in range(300)])
    question = vectors(1, seed=9)[0]

    hits = placement.store.search(placement.name, Query("dense", 25, question.tolist()))

    scores = vectors(300) @ question
    best = np.argsort(-scores)[:25]
    assert [hit.payload["n"] for hit in hits] == best.tolist()
    np.testing.assert_allclose([hit.score for hit in hits], scores[best], atol=1e-5)


TEXTS = [
    "The harbour master checks every boat in the harbour at night.",
    "A boat builder planks the hull with larch.",
    "Accounts for the year: rent, timber, wages.",
    "The night ferry leaves the harbour, the night ferry returns late every Tuesday.",
    "Larch and oak; oak for the keel, larch for the planks of a hull.",
    "Wages are paid on Friday.",
    "— · —",
]


def bm25(question: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Scores of TEXTS computed here: weights times inverse document frequency over the points that have words."""
    rows = [dict(zip(words.indices, words.values, strict=True)) for words in encode_passages(TEXTS)]
    total = sum(1 for row in rows if row)
    scores = np.zeros(len(rows))
    query = encode_query(question)
    for index, weight in zip(query.indices, query.values, strict=True):
        frequency = sum(index in row for row in rows)
        inverse = np.log((total - frequency + 0.5) / (frequency + 0.5) + 1)
        scores += [row.get(index, 0.0) * weight * inverse for row in rows]
    return scores


def test_sparse_is_bm25(placement: Placement) -> None:
    fill(placement, [{"n": number} for number in range(len(TEXTS))], TEXTS)

    for question in ("harbour at night", "larch planks", "wages"):
        hits = placement.store.search(placement.name, Query("sparse", 9, sparse=encode_query(question)))

        scores = bm25(question)
        order = [int(number) for number in np.argsort(-scores, kind="stable") if scores[number] > 0]
        assert [hit.payload["n"] for hit in hits] == order
        expected = scores[order] / (scores[order] + HALF)
        np.testing.assert_allclose([hit.score for hit in hits], expected, rtol=1e-4)


def test_hybrid_adds_the_scores_of_both(placement: Placement) -> None:
    fill(placement, [{"n": number} for number in range(len(TEXTS))], TEXTS)
    question, dense = "larch planks of the hull and the harbour boat", vectors(1, seed=11)[0]

    hits = placement.store.search(placement.name, Query("hybrid", 9, dense.tolist(), encode_query(question)))

    cosines, words = np.clip(vectors(len(TEXTS)) @ dense, 0, 1), bm25(question)
    expected = DENSE_SHARE * cosines + (1 - DENSE_SHARE) * words / (words + HALF)
    assert {hit.payload["n"]: pytest.approx(hit.score, rel=1e-4, abs=1e-6) for hit in hits} == dict(enumerate(expected))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert [hit.payload["n"] for hit in hits] not in (np.argsort(-cosines).tolist(), np.argsort(-words).tolist())


@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
def test_scores_lie_between_0_and_1_in_the_order_of_the_hits(placement: Placement, mode: str) -> None:
    fill(placement, [{"n": number} for number in range(len(TEXTS))], TEXTS)
    opposite = (-vectors(len(TEXTS))[0]).tolist()

    hits = placement.store.search(placement.name, Query(mode_of(mode), 9, opposite, encode_query("larch " * 40)))

    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0
    assert 0 < max(scores) <= 1


@pytest.mark.parametrize("question", ["KP-4567", "Where do I order part KP-4567?"])
def test_the_named_one_of_near_identical_records_is_first(placement: Placement, question: str) -> None:
    texts = [f"Spare part KP-{4000 + number * 7}: seal for the crane. Order the part here." for number in range(100)]
    common, apart = vectors(1)[0], vectors(len(texts), seed=5) * np.float32(0.25)
    records = [
        replace(point, dense=(common + vector).tolist())
        for point, vector in zip(points([{"n": number} for number in range(100)], texts), apart, strict=True)
    ]
    placement.store.ensure(placement.name, stores.SPACE)
    placement.store.upsert(placement.name, records)
    # By its vector alone the named record is about the last of all.
    away = (common - apart[81]).tolist()

    for mode, place in (("sparse", 0), ("hybrid", 0), ("dense", 99)):
        query = Query(mode_of(mode), 100, away, encode_query(question))
        assert [hit.payload["n"] for hit in placement.store.search(placement.name, query)].index(81) == place


def test_a_text_without_words_is_stored_and_found_by_its_vector(placement: Placement) -> None:
    fill(placement, [{"n": number} for number in range(len(TEXTS))], TEXTS)
    wordless = vectors(len(TEXTS))[6].tolist()

    for query in (
        Query("dense", 1, wordless),
        Query("hybrid", 1, wordless, encode_query("?")),
        Query("hybrid", 1, wordless, EMPTY),
    ):
        assert [hit.payload["n"] for hit in placement.store.search(placement.name, query)] == [6]
    assert placement.store.search(placement.name, Query("sparse", 5, sparse=encode_query("!?"))) == []
    assert placement.store.count(placement.name, Filter()) == len(TEXTS)


def test_the_limit_is_filled_through_a_filter(placement: Placement) -> None:
    fill(
        placement,
        [
            {"n": number, "source": f"file:///{'rare' if number % 50 == 0 else 'common'}/{number}.txt"}
            for number in range(400)
        ],
        ["boat"] * 400,
    )
    where = Filter(sources=("rare/*",))

    for mode in ("dense", "sparse", "hybrid"):
        query = Query(mode_of(mode), 5, vectors(1, seed=3)[0].tolist(), encode_query("boat"), where)
        hits = placement.store.search(placement.name, query)
        assert len(hits) == 5
        assert all(hit.payload["n"] % 50 == 0 for hit in hits)


def mode_of(name: str) -> Mode:
    modes: dict[str, Mode] = {"dense": "dense", "sparse": "sparse", "hybrid": "hybrid"}
    return modes[name]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(), [0, 1, 2, 3]),
        (Filter(document_ids=("d0",)), [0, 1]),
        (Filter(document_ids=("d0", "d2", "d9")), [0, 1, 3]),
        (Filter(version_ids=("v1", "v2")), [1, 2]),
        (Filter(media_types=("text/plain",)), [2]),
        (Filter(media_types=("text/plain", "application/pdf")), [0, 1, 2, 3]),
        (Filter(page=1), [0]),
        (Filter(page=3), [0, 1]),
        (Filter(page=10), [3]),
        (Filter(page=13), []),
        (Filter(live=True), [0, 2, 3]),
        (Filter(live=False), [1]),
        (Filter(modified_after="2026-02-01T12:30:00.500000Z"), [2, 3]),
        (Filter(modified_before="2026-02-01T12:30:00.500000Z"), [0, 1]),
        (Filter(modified_after="2026-02-01", modified_before="2026-03-01T01:00:00+01:00"), [1, 2]),
        (Filter(sources=("file:///srv/docs/letters/Re%20ports/x.PDF",)), [3]),
        (Filter(sources=("file:///srv/docs/letters/a[1].txt",)), [2]),
        (Filter(sources=("*",)), [0, 1, 2, 3]),
        (Filter(sources=("*.pdf",)), [0, 1]),
        (Filter(sources=("*.[pP][dD][fF]",)), [0, 1, 3]),
        (Filter(sources=("reports/*",)), [0, 1]),
        (Filter(sources=("ports/*",)), []),
        (Filter(sources=("/srv/docs/letters/*",)), [2, 3]),
        (Filter(sources=("boat yard.pdf",)), [0, 1]),
        (Filter(sources=("file:///srv/docs/l*",)), [2, 3]),
        (Filter(sources=("*.txt", "x.PDF")), [2, 3]),
        (Filter(sources=("a[1].txt",)), [2]),
        (Filter(sources=("a[1]*",)), [2]),
        (Filter(sources=("*.docx",)), []),
        (Filter(tags=("boats",)), [0, 1]),
        (Filter(tags=("rules/2026",)), [0]),
        (Filter(tags=("rules",)), []),
        (Filter(tags=("nobody", "boats")), [0, 1]),
        (Filter(tags=("boats",), live=True), [0]),
        (Filter(sources=("*.pdf",), live=True, page=2, document_ids=("d0",)), [0]),
        (Filter(sources=("*.pdf",), media_types=("text/plain",)), []),
    ],
)
def test_every_filter_matches_its_points(library: Placement, where: Filter, expected: list[int]) -> None:
    assert matching(library, where) == expected


Shelves = tuple[Placement, list[dict[str, Any]]]
KEYS = ("shelf", "a=b", "größe", "x" * 300)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2),
    st.sampled_from([0.0, 1.0, 1.5, 1e300]),
    st.sampled_from(["", "1", "ä", "y" * 300]),
)


@pytest.fixture(scope="module", params=stores.STORES)
def shelves(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelves]:
    """A collection of 60 points, and their metadata."""
    everything = [draw_metadata(number) for number in range(60)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Payload indexes have no effect in the local Qdrant")
        for placement in stores.placed(request, tmp_path_factory.mktemp("shelves")):
            fill(placement, [{"metadata_values": metadata_values(one)} for one in everything])
            yield placement, everything


def draw_metadata(seed: int) -> dict[str, Any]:
    """Invented metadata, always the same for a seed."""
    chance = random.Random(seed)
    values = [None, True, False, 0, 1, -1, 1.0, 1.5, 1e300, "", "1", "ä", "y" * 300]
    lists = [[chance.choice(values), chance.choice(values)], [chance.choice(values), {"deep": 1}], [], {"deep": 1}]
    return {key: chance.choice([*values, *lists]) for key in KEYS if chance.random() < 0.7}


def has_any(found: Any, wanted: Any) -> bool:
    """Whether a value of metadata, or an element of it, is one of the wanted values; `1` is not `True`."""
    have = found if isinstance(found, list) else [found]
    return any(
        item == value and isinstance(item, bool) == isinstance(value, bool)
        for item in have
        for value in (wanted if isinstance(wanted, list) else [wanted])
    )


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), scalars | st.lists(scalars, min_size=1, max_size=3), max_size=2))
def test_metadata_is_filtered_as_python_would_do_it(shelves: Shelves, wanted: dict[str, Any]) -> None:
    placement, everything = shelves
    expected = [
        number
        for number, one in enumerate(everything)
        if all(key in one and has_any(one[key], values) for key, values in wanted.items())
    ]
    assert matching(placement, Filter(metadata=wanted)) == expected


def test_metadata_with_many_and_long_values_makes_a_bounded_list() -> None:
    assert metadata_values({"a": 1.0, "b": [1, 1, "ä", {"c": 2}, [3]], "c": {"d": 1}, "e": None, "f": [True, 1.5]}) == [
        "a=1",
        "b=1",
        'b="ä"',
        "e=null",
        "f=true",
        "f=1.5",
    ]
    many = metadata_values({"k": list(range(1000)), "last": 1})
    assert (len(many), many[0], many[-1]) == (256, "k=0", "k=255")
    (long,) = metadata_values({"k": "z" * 10_000})
    assert long == "sha256:" + hashlib.sha256(f'k="{"z" * 10_000}"'.encode()).hexdigest()
    (half,) = metadata_values({"k": "\ud800"})
    assert half.encode() == b'k="\\ud800"'


@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
def test_tags_that_were_written_later_are_searched_by(placement: Placement, mode: str) -> None:
    texts = ["a boat of oak", "a boat of larch", "a boat of pine"]
    fill(placement, [{"document_id": f"d{number}", "tags": ["old"]} for number in range(3)], texts)

    placement.store.set_payload(placement.name, {"tags": ["new", "größe"]}, Filter(document_ids=("d1",)))
    placement.store.set_payload(placement.name, {"tags": []}, Filter(document_ids=("d2",)))

    def documents_with(*tags: str) -> set[str]:
        query = Query(mode_of(mode), 5, vectors(1)[0].tolist(), encode_query("boat"), Filter(tags=tags))
        return {hit.payload["document_id"] for hit in placement.store.search(placement.name, query)}

    assert (documents_with("old"), documents_with("größe"), documents_with("old", "new"), documents_with()) == (
        {"d0"},
        {"d1"},
        {"d0", "d1"},
        {"d0", "d1", "d2"},
    )


def test_a_filter_with_an_invalid_time_is_refused(library: Placement) -> None:
    with pytest.raises(BadRequest, match="is not a time"):
        library.store.count(library.name, Filter(modified_after="yesterday"))
