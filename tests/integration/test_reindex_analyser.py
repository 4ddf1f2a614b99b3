"""Re-index of a collection whose words an earlier analyser made, under questions all the while, and back again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flow_rig import FlowRig, stack_on
from flow_tools import eventually
from reindex_rig import live, reached

from pipeline import reindex
from pipeline.catalog.api.listing import list_collections
from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import collections
from pipeline.errors import Conflict
from pipeline.names import ANALYSER
from pipeline.reindex import ReindexRequest
from pipeline.search import search
from pipeline.services import Services
from pipeline.task_manager import TaskManager

PASSAGE = "Die Kündigungsfrist der Wohnung Nummer {} beträgt drei Monate. 请每周检查水泵的机械密封是否漏水。\n"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    with stack_on(tmp_path_factory.mktemp("analyser"), batch_documents=16) as rig:
        yield rig


class Questions:
    """Asks by words all the while, and notes what is not answered."""

    def __init__(self, rig: FlowRig) -> None:
        self.rig = rig
        self.asked = 0
        self.problems: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Questions:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(60)

    def go_on(self) -> None:
        asked = self.asked
        assert eventually(lambda: self.asked > asked + 5), self.problems

    def _ask(self) -> None:
        services = Services(self.rig.settings)
        while not self._end.wait(0.05):
            try:
                found = len(search(services, "Wohnung Monate", "words", 50, "sparse").hits)
            except Exception as error:  # a reader sees every error
                self.problems.append(f"{type(error).__name__}: {error}")
                continue
            self.asked += 1
            if found < 12:
                self.problems.append(f"{found} hits")


def found(rig: FlowRig, question: str) -> int:
    return len(search(rig.services, question, "words", 50, "sparse").hits)


def write(folder: Path, first: int, end: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(first, end):
        (folder / f"{number}.txt").write_text(PASSAGE.format(number), encoding="utf-8")


def listed(rig: FlowRig) -> int:
    with rig.services.catalog.connect() as connection:
        [row] = [row for row in list_collections(connection) if row["name"] == "words"]
    assert TaskManager(rig.services).totals().analysers["words"] == row["analyser"]
    return int(row["analyser"])


def test_an_old_index_keeps_its_analyser_until_it_is_reindexed(rig: FlowRig, tmp_path: Path) -> None:
    services = rig.services
    with writing(services.catalog) as connection:
        collections.register(connection, "words", services.fingerprint, replace(services.spec, analyser=1))
    write(tmp_path / "a", 0, 12)
    assert rig.ingest(tmp_path / "a", collection="words") == {"completed": 12}
    assert (live(rig, "words").spec.analyser, listed(rig)) == (1, 1)
    assert (found(rig, "Kündigungsfrist"), found(rig, "Frist"), found(rig, "机械密封")) == (12, 0, 0)
    with Questions(rig) as questions:
        planned = reindex.plan(services, ReindexRequest(collection="words"))
        assert planned.documents == 12
        reindex.start(services, ReindexRequest(collection="words"))
        reached(rig, "words", "soaking")
        questions.go_on()
        assert (live(rig, "words").spec.analyser, listed(rig)) == (ANALYSER, ANALYSER)
        assert (found(rig, "Kündigungsfrist"), found(rig, "Frist"), found(rig, "机械密封")) == (12, 12, 12)
        # What is added now is in both indexes, each time by the analyser of the index.
        write(tmp_path / "b", 12, 14)
        assert rig.ingest(tmp_path / "b", collection="words") == {"completed": 2}
        assert found(rig, "Frist") == 14
        reindex.rollback(services, "words")
        reached(rig, "words", "rolled_back")
        questions.go_on()
        assert (found(rig, "Kündigungsfrist"), found(rig, "Frist"), listed(rig)) == (14, 0, 1)
        reindex.start(services, ReindexRequest(collection="words"))
        reached(rig, "words", "soaking")
        assert found(rig, "Frist") == 14
    assert questions.problems == []
    with pytest.raises(Conflict):
        reindex.start(services, ReindexRequest(collection="words"))


def test_a_new_collection_has_the_newest_analyser(rig: FlowRig, tmp_path: Path) -> None:
    write(tmp_path / "c", 0, 2)
    assert rig.ingest(tmp_path / "c", collection="newest") == {"completed": 2}

    assert live(rig, "newest").spec.analyser == ANALYSER
    assert len(search(rig.services, "Frist", "newest", 5, "sparse").hits) == 2
