"""A question that is longer than the model reads is searched with in parts, and the answer says what is not used."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from search_rig import SearchRig, search_rig

from pipeline.catalog.index import indexes
from pipeline.engine.model_calls import methods_of
from pipeline.search import search
from pipeline.search.vectors import Part, unused
from pipeline.types import Mode

READ = 8192
"""Words that the hashing model reads."""

FILLER = "Please help me with this question about many pages. "
ANSWERS = ["The emergency tiller lies under bench forty-two.", "Please help me with many pages about questions."]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchRig]:
    with search_rig(tmp_path_factory.mktemp("long")) as rig:
        rig.take("docs", "/tiller.txt", ANSWERS[:1])
        rig.take("docs", "/help.txt", ANSWERS[1:])
        rig.take("docs", "/other.txt", ["A lamp burns in the harbour office.", "Anchors and chains are on deck."])
        yield rig


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_the_end_of_a_long_question_counts(rig: SearchRig, mode: Mode) -> None:
    end = "What lies under bench forty-two?"
    alone = search(rig.services, end, "docs", 1, mode).hits[0]
    result = search(rig.services, FILLER * (READ // 8) + end, "docs", 2, mode)
    assert {hit.source for hit in result.hits} == {"/tiller.txt", "/help.txt"}
    (tiller,) = (hit for hit in result.hits if hit.source == "/tiller.txt")
    assert tiller.score == pytest.approx(alone.score)
    assert result.warnings == []


def test_each_chunk_has_its_best_score_of_all_parts(rig: SearchRig) -> None:
    """Both ends of a question find what they would find alone, and no chunk comes twice."""
    begin, end = "Anchors and chains on deck?", "What lies under bench forty-two?"
    question = f"{begin} {'So much to say. ' * (READ // 4)}{end}"
    hits = search(rig.services, question, "docs", 10, "dense").hits
    assert len({hit.chunk_id for hit in hits}) == len(hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0].text == ANSWERS[0]


def test_what_is_not_used_is_told(rig: SearchRig) -> None:
    words = READ * 8 - 2
    result = search(rig.services, "harbour " * words + ". " + "What lies under bench forty-two?", "docs", 3, "dense")
    assert result.hits[0].source in ("/tiller.txt", "/other.txt")
    (warning,) = result.warnings
    assert re.fullmatch(
        r"The question has 65,540 words; 8,\d{3} of them, before its last part, were not used\.", warning
    )
    assert search(rig.services, "harbour " * words, "docs", 3, "sparse").warnings == []


def test_a_short_question_is_one_part(rig: SearchRig) -> None:
    with rig.services.catalog.connect() as connection:
        index = indexes.live(connection, "docs")
    assert index is not None
    methods = methods_of(rig.services)
    (part,) = methods["embed_question"](text="Who rests?", index=index.name)
    assert (part["start"], part["end"]) == (0, 10)
    assert part["vector"] == methods["embed_query"](text="Who rests?", index=index.name)


@pytest.mark.parametrize(
    ("spans", "lost"),
    [
        ([(0, 19)], ""),
        ([(0, 8), (8, 19)], ""),
        ([(0, 14), (8, 19)], ""),
        ([(0, 8), (14, 19)], "The question has 4 words; 1 of them, before its last part, were not used."),
    ],
)
def test_words_between_the_parts_are_counted(spans: list[tuple[int, int]], lost: str) -> None:
    assert unused("One two three four ", [Part(start, end) for start, end in spans]) == lost
