"""What a search answers: collections together, hits by document, scores from a bound on, words that match."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from search_rig import SearchRig, search_rig

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import versions
from pipeline.catalog.index import checks
from pipeline.errors import BadRequest, SpaceMismatch
from pipeline.results import Hit, SearchResult
from pipeline.search import Question, search
from pipeline.services import Services
from pipeline.settings import load_settings
from pipeline.types import Mode
from pipeline.vectorstore.base import Filter

MODES: tuple[Mode, ...] = ("dense", "sparse", "hybrid")
LOG = [f"Entry {number}: the ferry left the harbour with boats{' and sails' * number}." for number in range(1, 31)]
"""Passages of thirty lengths: no two have the same score."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchRig]:
    with search_rig(tmp_path_factory.mktemp("search")) as rig:
        rig.take("log", "/log.txt", LOG)
        rig.take("log", "/tide.txt", ["The tide sensor hangs below the slipway.", "Nothing about ships here."])
        rig.take("log", "/ferry.txt", ["A ferry is mended in the yard."])
        rig.take("letters", "/letter.txt", ["Dear harbour master, the ferry made eleven knots.", "With best wishes"])
        yield rig


def ask(rig: SearchRig, text: str, collection: str | tuple[str, ...] = "log", **wanted: Any) -> SearchResult:
    return search(rig.services, text, collection, **wanted)


def scores(hits: list[Hit]) -> dict[str, float]:
    """Scores by chunk: hits of equal scores come in any order."""
    return {hit.chunk_id: hit.score for hit in hits}


def ranked(hits: list[Hit]) -> bool:
    return [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.parametrize("mode", MODES)
def test_collections_are_searched_together(rig: SearchRig, mode: Mode) -> None:
    """The answer is what the collections answer one by one, in the order of the scores."""
    alone = [ask(rig, "ferry knots", name, mode=mode, limit=50).hits for name in ("log", "letters")]
    result = ask(rig, "ferry knots", ("log", "letters"), mode=mode, limit=50)
    assert {hit.chunk_id: (hit.score, hit.collection) for hit in result.hits} == {
        hit.chunk_id: (hit.score, hit.collection) for hits in alone for hit in hits
    }
    assert {hit.collection for hit in result.hits} == {"log", "letters"}
    assert ranked(result.hits)
    assert (result.collection, result.collections) == ("log", ["log", "letters"])
    best = ask(rig, "ferry knots", ("log", "letters", "log"), mode=mode, limit=3).hits
    assert [hit.score for hit in best] == [hit.score for hit in result.hits[:3]]


def test_a_collection_that_does_not_exist_adds_nothing(rig: SearchRig) -> None:
    both = ask(rig, "ferry", ("nothing", "letters"), mode="sparse")
    assert [hit.source for hit in both.hits] == ["/letter.txt"]
    assert ask(rig, "ferry", ("nothing", "never")).hits == []


@pytest.mark.parametrize("mode", MODES)
def test_hits_by_document_count_documents(rig: SearchRig, mode: Mode) -> None:
    """Thirty passages of one document come first, and the others are found all the same."""
    question = "the ferry left the harbour with boats, a ferry in the yard"
    hits = ask(rig, question, mode=mode, limit=2, group="document").hits
    every = ask(rig, question, mode=mode, limit=100).hits
    assert len(hits) == len({hit.document_id for hit in hits}) == 2
    assert {hit.source for hit in hits} <= {"/log.txt", "/ferry.txt", "/tide.txt"}
    for hit in hits:
        passages = [other for other in every if other.document_id == hit.document_id]
        assert hit.score == passages[0].score
        assert hit.passages <= len(passages)
        assert len(hit.further) == min(hit.passages - 1, 3)
        assert {passage.document_id for passage in hit.further} <= {hit.document_id}
        assert hit.score >= max([passage.score for passage in hit.further], default=0)
    assert ranked(hits)


def test_a_document_with_many_passages_leaves_room_for_others(rig: SearchRig) -> None:
    (first, second) = ask(rig, "ferry harbour boats", mode="sparse", limit=2, group="document").hits
    assert {first.source, second.source} == {"/log.txt", "/ferry.txt"}
    assert first.passages == 30
    assert [len(hit.further) for hit in (first, second)] == [3, 0]


def test_hits_by_document_of_several_collections(rig: SearchRig) -> None:
    hits = ask(rig, "ferry", ("log", "letters"), mode="sparse", group="document").hits
    assert {(hit.collection, hit.source) for hit in hits} == {
        ("log", "/log.txt"),
        ("log", "/ferry.txt"),
        ("letters", "/letter.txt"),
    }


@pytest.mark.parametrize("mode", MODES)
def test_hits_below_the_score_are_left_out(rig: SearchRig, mode: Mode) -> None:
    every = ask(rig, "ferry yard", mode=mode, limit=100).hits
    bound = min(1.0, every[0].score)
    assert scores(ask(rig, "ferry yard", mode=mode, limit=100, min_score=0).hits) == scores(
        [hit for hit in every if hit.score >= 0]
    )
    kept = ask(rig, "ferry yard", mode=mode, limit=100, min_score=bound).hits
    assert scores(kept) == scores([hit for hit in every if hit.score >= bound])
    assert 0 < len(kept) < len(every)


@pytest.mark.parametrize("mode", MODES)
def test_words_that_match_are_marked_in_every_mode(rig: SearchRig, mode: Mode) -> None:
    for hit in ask(rig, "Which ferries left?", mode=mode, limit=100).hits:
        marked = [hit.text[start:end] for start, end in hit.highlights]
        assert set(marked) <= {"ferry", "left"}
        assert ("ferry" in hit.text) == ("ferry" in marked)
    grouped = ask(rig, "ferry", mode="sparse", group="document").hits
    assert all(passage.highlights for hit in grouped for passage in (hit, *hit.further))


def test_filters_hold_in_every_collection(rig: SearchRig) -> None:
    result = ask(rig, "ferry", ("log", "letters"), where=Filter(sources=("letter.txt", "ferry.txt")))
    assert {hit.source for hit in result.hits} == {"/letter.txt", "/ferry.txt"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"text": " "}, "empty"),
        ({"text": "\ud800"}, "no text"),
        ({"limit": 0}, "limit 0"),
        ({"limit": 1001}, "limit 1001"),
        ({"min_score": 1.5}, "1.5"),
        ({"min_score": -0.1}, "-0.1"),
        ({"min_score": float("nan")}, "nan"),
        ({"group": "page"}, "page"),
        ({"collections": ()}, "0 collections"),
        ({"collections": tuple(map(str, range(21)))}, "21 collections"),
    ],
)
def test_what_cannot_be_asked_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        Question(**{"text": "ferry", "collections": ("log",), **wrong})


def test_collections_of_two_models_are_not_mixed(rig: SearchRig) -> None:
    other = Services(
        load_settings({**rig.services.settings.model_dump(), "embedding_model": "hashing-128"}), owner=True
    )
    object.__setattr__(other, "store", rig.services.store)
    SearchRig(other).take("small", "/small.txt", ["A small ferry."])
    other.catalog.dispose()
    with pytest.raises(SpaceMismatch, match="small") as caught:
        ask(rig, "ferry", ("log", "small"))
    assert "hashing-128" in caught.value.message


def test_a_collection_that_lacks_points_is_searched_with_a_warning(rig: SearchRig) -> None:
    found = {"collection": "log", "expected": 33, "points": 30, "message": ""}
    with writing(rig.services.catalog) as connection:
        checks.store(connection, checks.COUNTS, {"collections": [found]})
    (warning,) = ask(rig, "ferry", ("letters", "log")).warnings
    assert warning.startswith("Only 30 of 33 points of the collection log are in the vector store.")
    assert ask(rig, "ferry", "letters").warnings == []
    with writing(rig.services.catalog) as connection:
        checks.store(connection, checks.COUNTS, {"collections": []})
    assert ask(rig, "ferry").warnings == []


def test_a_store_that_was_just_emptied_is_no_collection_without_an_answer(rig: SearchRig) -> None:
    rig.take("emptied", "/log.txt", LOG)
    assert ask(rig, "walrus", "emptied", mode="sparse").warnings == []  # nothing is missing
    with writing(rig.services.catalog) as connection:
        connection.execute(versions.update().where(versions.c.index_name == "emptied~1").values(chunks=len(LOG)))
    rig.services.store.delete("emptied~1", Filter(live=True))
    result = ask(rig, "ferry", "emptied")
    assert result.hits == []
    assert [warning.split(".")[0] for warning in result.warnings] == [
        "Only 0 of 30 points of the collection emptied are in the vector store"
    ]
