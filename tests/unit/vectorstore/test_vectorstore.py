"""The contract of every vector store: collections, writing, deleting, and refused requests."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import stores
from stores import DIM, EMPTY, SPACE, Placement, fill, matching, point_id, points, vectors

from pipeline.errors import BadRequest, SpaceMismatch
from pipeline.vectorstore import Filter, Point, Query
from pipeline.vectorstore.edge import EdgeStore
from pipeline.vectorstore.point_json import pack_point, unpack_point
from pipeline.vectorstore.sparse import encode_query

stand_in = stores.stand_in
library = stores.library
placement = stores.placement


def test_a_collection_keeps_its_space(placement: Placement) -> None:
    placement.store.ensure(placement.name, SPACE)
    placement.store.ensure(placement.name, SPACE)

    assert placement.store.collections()[placement.name] == SPACE
    for other in (replace(SPACE, dim=DIM + 1), replace(SPACE, model="test/other")):
        with pytest.raises(SpaceMismatch, match="test/tiny"):
            placement.store.ensure(placement.name, other)


def test_a_dropped_collection_is_gone_and_can_be_created_again(placement: Placement) -> None:
    other = replace(SPACE, dim=DIM + 1)
    fill(placement, [{}])

    placement.store.drop(placement.name)
    placement.store.drop(placement.name)

    assert placement.name not in placement.store.collections()
    placement.store.ensure(placement.name, other)
    assert placement.store.collections()[placement.name] == other
    assert placement.store.count(placement.name, Filter()) == 0


def test_an_unknown_collection_is_empty_and_refuses_points(placement: Placement) -> None:
    for where in (Filter(), Filter(sources=("*.pdf",))):
        assert placement.store.count(placement.name, where) == 0
        assert placement.store.ids(placement.name, where) == []
        assert placement.store.search(placement.name, Query("dense", 5, [1.0] * DIM, where=where)) == []
        placement.store.set_payload(placement.name, {"live": True}, where)
    placement.store.delete(placement.name, Filter(live=True))
    with pytest.raises(BadRequest, match="There is no collection"):
        placement.store.upsert(placement.name, points([{}]))
    assert placement.name not in placement.store.collections()


@pytest.mark.parametrize("name", ["", "a b", "../up", "a/b", ".hidden", "ä", "x" * 65, "a\n", "a\x00"])
def test_a_bad_name_is_refused_everywhere(library: Placement, name: str) -> None:
    store, query = library.store, Query("dense", 1, [1.0] * DIM)
    for call in (
        lambda: store.ensure(name, SPACE),
        lambda: store.drop(name),
        lambda: store.upsert(name, []),
        lambda: store.count(name, Filter()),
        lambda: store.ids(name, Filter()),
        lambda: store.set_payload(name, {}, Filter()),
        lambda: store.delete(name, Filter(live=True)),
        lambda: store.search(name, query),
    ):
        with pytest.raises(BadRequest, match="cannot name a collection"):
            call()


def test_two_thousand_points_in_one_call_are_all_there_once(placement: Placement) -> None:
    batch = points([{"document_id": f"d{number % 10}", "live": True} for number in range(2000)])
    placement.store.ensure(placement.name, SPACE)

    placement.store.upsert(placement.name, batch)
    placement.store.upsert(placement.name, batch[500:700])
    placement.store.upsert(placement.name, [])

    assert placement.store.count(placement.name, Filter()) == 2000
    assert placement.store.count(placement.name, Filter(document_ids=("d3",))) == 200
    assert sorted(placement.store.ids(placement.name, Filter())) == [point_id(number) for number in range(2000)]


def test_an_equal_id_is_overwritten_whole(placement: Placement) -> None:
    fill(placement, [{"text": "old", "gone": 1}], ["harbour"])

    placement.store.upsert(placement.name, [Point(point_id(0), vectors(2)[1].tolist(), EMPTY, {"text": "new"})])

    [hit] = placement.store.search(placement.name, Query("dense", 5, vectors(2)[1].tolist()))
    assert hit.payload == {"text": "new"}
    assert hit.score == pytest.approx(1.0, abs=1e-5)
    assert placement.store.search(placement.name, Query("sparse", 5, sparse=encode_query("harbour"))) == []


def test_a_payload_is_read_back_unchanged(placement: Placement) -> None:
    payload = {
        "text": "Größe 日本 \U0001f600 \x01 \u202e\"'\\",
        "none": None,
        "live": True,
        "page_breaks": [[3, 2], [90, 3]],
        "section": [],
        "confidence": 0.25,
        "big": 2**53,
        "metadata": {"source": "file:///a%20b.pdf", "deep": {"a": [1, {"b": None}]}},
    }
    fill(placement, [payload])

    [hit] = placement.store.search(placement.name, Query("dense", 1, vectors(1)[0].tolist()))
    assert hit.payload == payload


def test_set_payload_writes_only_what_it_names(placement: Placement) -> None:
    fill(placement, [{"version_id": f"v{number % 2}", "live": False, "text": str(number)} for number in range(6)])

    placement.store.set_payload(placement.name, {"live": True, "note": "x"}, Filter(version_ids=("v1",)))

    assert matching(placement, Filter(live=True)) == [1, 3, 5]
    assert matching(placement, Filter(live=False)) == [0, 2, 4]
    hits = placement.store.search(placement.name, Query("dense", 9, [1.0] * DIM))
    assert {hit.payload["text"]: hit.payload.get("note") for hit in hits} == {
        str(number): "x" if number % 2 else None for number in range(6)
    }
    placement.store.set_payload(placement.name, {"live": False}, Filter())
    assert matching(placement, Filter(live=False)) == [0, 1, 2, 3, 4, 5]


def test_set_payload_writes_into_an_object(placement: Placement) -> None:
    fill(placement, [{"document_id": "d", "metadata": {"source": "/a", "order": number}} for number in range(2)])

    placement.store.set_payload(placement.name, {"source": "/b"}, Filter(document_ids=("d",)), "metadata")

    hits = placement.store.search(placement.name, Query("dense", 9, [1.0] * DIM))
    assert sorted(hit.payload["metadata"]["order"] for hit in hits) == [0, 1]
    assert {hit.payload["metadata"]["source"] for hit in hits} == {"/b"}


def test_delete_removes_what_matches_and_nothing_else(placement: Placement) -> None:
    fill(placement, [{"document_id": f"d{number % 3}", "source": f"file:///{number}.pdf"} for number in range(9)])

    placement.store.delete(placement.name, Filter(document_ids=("d0", "d2"), sources=("*.pdf",)))
    assert matching(placement, Filter()) == [1, 4, 7]
    placement.store.delete(placement.name, Filter(sources=("nothing.*",)))
    placement.store.delete(placement.name, Filter(document_ids=("d0",)))
    assert matching(placement, Filter()) == [1, 4, 7]
    with pytest.raises(ValueError, match="empty filter"):
        placement.store.delete(placement.name, Filter())


def test_a_vector_of_a_wrong_dimension_is_refused_without_effect(placement: Placement) -> None:
    fill(placement, [{}])

    with pytest.raises(SpaceMismatch, match="vectors of"):
        placement.store.upsert(placement.name, [Point(point_id(5), [1.0] * (DIM + 1), EMPTY, {})])
    with pytest.raises(SpaceMismatch, match="vectors of"):
        placement.store.search(placement.name, Query("dense", 1, [1.0] * (DIM - 1)))
    with pytest.raises(BadRequest, match="finite"):
        placement.store.upsert(placement.name, [Point(point_id(6), [float("nan")] * DIM, EMPTY, {})])
    assert placement.store.count(placement.name, Filter()) == 1


def test_a_query_without_its_vector_is_a_mistake_of_the_caller(placement: Placement) -> None:
    fill(placement, [{}])
    words = encode_query("boat")

    for query in (
        Query("dense", 5),
        Query("sparse", 5, [1.0] * DIM),
        Query("hybrid", 5, [1.0] * DIM),
        Query("hybrid", 5, sparse=words),
        Query("dense", 0, [1.0] * DIM),
    ):
        with pytest.raises(ValueError, match=r"needs a|must be positive"):
            placement.store.search(placement.name, query)


def test_importing_the_package_loads_no_engine() -> None:
    code = "import sys, pipeline.vectorstore; print([m for m in sys.modules if m.startswith('qdrant')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_an_alias_stands_for_one_collection_after_another(placement: Placement) -> None:
    names = [f"{placement.name}~{number}" for number in (1, 2)]
    for number, name in enumerate(names):
        placement.store.ensure(name, SPACE)
        placement.store.upsert(name, points([{}] * (number + 1)))
    with pytest.raises(BadRequest):
        placement.store.set_alias(placement.name, f"{placement.name}~3")
    for number, name in enumerate(names):
        placement.store.set_alias(placement.name, name)
        assert placement.store.aliases()[placement.name] == name
        assert placement.store.count(placement.name, Filter()) == number + 1
        assert len(placement.store.ids(name, Filter())) == number + 1
    placement.store.drop(names[0])
    assert placement.store.count(placement.name, Filter()) == 2
    placement.store.drop(names[1])
    assert placement.store.count(placement.name, Filter()) == 0


def test_scrolled_pages_are_the_stored_points_each_once(placement: Placement) -> None:
    batch = points([{"document_id": f"d{number % 2}", "live": True} for number in range(25)], ["boat yard"] * 24 + [""])
    placement.store.ensure(placement.name, SPACE)
    placement.store.upsert(placement.name, batch)

    for where, expected in ((Filter(), batch), (Filter(document_ids=("d1",)), batch[1::2])):
        found: list[Point] = []
        after = None
        while True:
            page, after = placement.store.scroll(placement.name, where, 7, after)
            assert len(page) <= 7
            found += page
            if after is None:
                break
        assert [point.id for point in found] == sorted(point.id for point in expected)
        for got, stored in zip(found, sorted(expected, key=lambda point: point.id), strict=True):
            assert got.payload == stored.payload
            assert got.dense == pytest.approx(stored.dense, abs=1e-6)
            assert dict(zip(got.sparse.indices, got.sparse.values, strict=True)) == pytest.approx(
                dict(zip(stored.sparse.indices, stored.sparse.values, strict=True)), rel=1e-6
            )
    assert placement.store.scroll("no-such", Filter(), 7) == ([], None)


def test_a_point_that_is_written_again_as_it_was_read_is_the_same(placement: Placement) -> None:
    placement.store.ensure(placement.name, SPACE)
    placement.store.upsert(placement.name, points([{"live": True}] * 50, ["a few words"] * 50))
    first, _ = placement.store.scroll(placement.name, Filter(), 100)

    placement.store.upsert(placement.name, [unpack_point(pack_point(point)) for point in first])

    again, _ = placement.store.scroll(placement.name, Filter(), 100)
    if isinstance(placement.store, EdgeStore):
        assert again == first
    for one, other in zip(again, first, strict=True):
        # The client's own engine divides every vector by its length once more.
        assert one.dense == pytest.approx(other.dense, abs=1e-6)
        assert (one.id, one.payload, one.sparse.indices) == (other.id, other.payload, other.sparse.indices)
        assert one.sparse.values == pytest.approx(other.sparse.values, rel=1e-6)


def test_a_scroll_reads_vectors_only_if_asked(placement: Placement) -> None:
    fill(placement, [{"document_id": f"d{number % 3}", "live": True} for number in range(9)])
    page, after = placement.store.scroll(placement.name, Filter(document_ids=("d1",)), 100, vectors=False)
    assert after is None
    assert {point.payload["document_id"] for point in page} == {"d1"}
    assert [(point.dense, point.sparse.indices) for point in page] == [([], [])] * 3


def test_points_are_chosen_by_their_ids(placement: Placement) -> None:
    fill(placement, [{"document_id": f"d{number}", "live": True} for number in range(6)])
    where = Filter(point_ids=(point_id(1), point_id(4), point_id(99)))
    assert matching(placement, where) == [1, 4]
    placement.store.delete(placement.name, where)
    assert matching(placement, Filter()) == [0, 2, 3, 5]


def test_a_collection_that_can_be_read_is_not_set_aside(placement: Placement) -> None:
    fill(placement, [{"document_id": "d", "live": True}])
    assert placement.store.set_aside(placement.name) is None
    assert placement.store.set_aside("nothing-here") is None
    assert placement.store.count(placement.name, Filter()) == 1
