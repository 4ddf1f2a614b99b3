"""Single points, samples and the pace: pure functions."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.base import Fingerprint
from pipeline.catalog.documents.live_points import LiveVersion
from pipeline.stages.chunking import chunk_id
from pipeline.types import About, Chunk
from pipeline.vectorstore.base import Point, SparseVector
from pipeline.vectorstore.payload import payload
from pipeline.verification.drift import Damaged, Drift, Findings
from pipeline.verification.pace import Pace, Scope
from pipeline.verification.point_checks import payload_kind, sparse_differs, vector_differs, vector_kind

SPACE = Fingerprint("test/tiny", "1", "float", "mean", True, "", "", 3)
CHUNK = Chunk(2, "the text", 10, 18, 1, 1, (), (), 3)
ABOUT = About("d", "v", "/a.txt", "A letter", "text/plain", "en", "sha", 12.5, tags=("x",))
VERSION = LiveVersion(
    "d", "v", "c~1", 1, "/a.txt", ["x"], "A letter", "text/plain", "sha", 12.5, "3-x", "ingest", None, True, False
)


def point(**changes: object) -> Point:
    data = {**payload(ABOUT, CHUNK, SPACE.id, live=True), **changes}
    return Point(chunk_id("v", 2, "the text"), [1.0, 0.0, 0.0], SparseVector([1], [1.0]), data)


def test_a_point_as_it_was_made_is_no_drift() -> None:
    assert payload_kind(point(), VERSION, SPACE.id) is None


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"fingerprint": "other"}, "wrong_space"),
        ({"text": "another"}, "text"),
        ({"order": 3}, "text"),
        ({"order": None}, "text"),
        ({"live": False}, "payload"),
        ({"source": "/b.txt"}, "payload"),
        ({"title": "B"}, "payload"),
        ({"tags": []}, "payload"),
        ({"content_sha256": "other"}, "payload"),
        ({"modified_at": "1970-01-01T00:00:00Z"}, "payload"),
        ({"document_id": "e"}, "payload"),
        ({"media_type": "text/html"}, "payload"),
        ({"metadata": None}, "payload"),
        ({"metadata": {"source": "/b.txt"}}, "payload"),
    ],
)
def test_every_field_that_the_catalog_knows_is_compared(change: dict[str, object], kind: str) -> None:
    assert payload_kind(point(**change), VERSION, SPACE.id) == kind


def test_labels_that_are_still_to_be_written_are_no_drift() -> None:
    moved = replace(VERSION, source="/b.txt", tags=[], title="B", is_labelled=False)
    assert payload_kind(point(), moved, SPACE.id) is None
    assert payload_kind(point(metadata={**point().payload["metadata"], "source": "/b.txt"}), moved, SPACE.id) is None


def test_points_that_were_made_before_documents_had_tags_are_no_drift() -> None:
    data = {name: value for name, value in point().payload.items() if name != "tags"}
    data["metadata"] = {name: value for name, value in data["metadata"].items() if name != "tags"}
    assert payload_kind(replace(point(), payload=data), replace(VERSION, tags=[]), SPACE.id) is None


@pytest.mark.parametrize(
    ("dense", "kind"),
    [([0.6, 0.8, 0.0], None), ([], "wrong_space"), ([1.0, 0.0], "wrong_space"), ([0.0] * 3, "vector")],
)
def test_a_vector_has_its_length_and_is_not_zero(dense: list[float], kind: str | None) -> None:
    assert vector_kind(replace(point(), dense=dense), SPACE) == kind
    assert vector_kind(replace(point(), dense=[float("nan"), 0.0, 1.0]), SPACE) == "vector"


@given(st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=8), st.floats(0.01, 100))
def test_a_vector_equals_itself_at_any_length_and_no_other_direction(numbers: list[float], scale: float) -> None:
    vector = np.asarray(numbers, dtype=np.float32) + np.float32(1.5)
    assert not vector_differs([float(value) * scale for value in vector], vector)
    assert vector_differs([-float(value) for value in vector], vector)
    assert vector_differs(list(map(float, vector))[:-1], vector)


@given(st.sets(st.integers(0, 2**32 - 1), min_size=4), st.sets(st.integers(0, 2**32 - 1), min_size=4))
def test_words_differ_unless_half_of_them_are_the_same(first: set[int], second: set[int]) -> None:
    def words(terms: set[int]) -> SparseVector:
        return SparseVector(sorted(terms), [1.0] * len(terms))

    assert not sparse_differs(words(first), words(first))
    assert sparse_differs(words(set()), words(first))
    assert sparse_differs(words(first), words(second)) == (2 * len(first & second) < len(first | second))
    assert not sparse_differs(words(set()), words(set()))


def test_a_sample_has_its_share_and_is_always_the_same() -> None:
    names = [str(uuid4()) for _ in range(2000)]
    chosen = [name for name in names if Scope(share=0.25).has(name)]
    assert 350 < len(chosen) < 650
    assert chosen == [name for name in names if Scope(share=0.25).has(name)]
    assert all(Scope(share=0.5).has(name) for name in chosen)
    assert chosen != [name for name in names if Scope(share=0.25, salt="another").has(name)]
    assert all(Scope().has(name) for name in names)
    assert not any(Scope(share=0.0).has(name) for name in names)


def test_the_pace_rests_for_what_was_looked_at() -> None:
    rests, seen = list[float](), list[tuple[str, int]]()
    pace = Pace(100.0, lambda what, number: seen.append((what, number)), rests.append)
    for _ in range(5):
        pace.spend("points", 200)
    assert seen == [("points", 200)] * 5
    # It did not really rest, so that each rest is longer than the one before.
    assert rests[-1] == pytest.approx(10.0, abs=2.0)
    Pace(None, lambda what, number: None, rests.append).spend("points", 10**9)
    assert len(rests) == 5


def test_what_two_looks_find_in_a_document_is_mended_together() -> None:
    findings = Findings()
    findings.add_damaged(Damaged("d", "v", "c~1", bad_points=frozenset("a")), [Drift("payload", 2)])
    findings.add_damaged(Damaged("d", "v", "c~1", bad_hashes=frozenset("h"), bad_text=True), [Drift("text")])
    assert findings.documents == {"d": Damaged("d", "v", "c~1", frozenset("a"), frozenset("h"), True)}
    assert findings.counts() == {"payload": 2, "text": 1}
    assert not findings.is_clean
