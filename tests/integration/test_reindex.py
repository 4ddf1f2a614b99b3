"""Re-index under load: another model, readers and submitters all the while, kills in between, and back again."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, write_documents
from starlette.testclient import TestClient
from stores import stand_in

from pipeline import reindex
from pipeline.api.app import make_app
from pipeline.catalog import indexes
from pipeline.catalog.engine import writing
from pipeline.catalog.schema import documents, tasks, versions
from pipeline.errors import BadRequest, UnknownId
from pipeline.intake import take_in
from pipeline.reindex import Wish
from pipeline.request import Request
from pipeline.search import search
from pipeline.services import Services
from pipeline.submission import find, open_job
from pipeline.vectorstore.base import Filter

__all__ = ["stand_in"]

SCAN = Path(__file__).parents[2] / "samples" / "documents" / "letter_scan.png"
NUMBER = int(os.environ.get("DOCRELAY_TEST_REINDEX_DOCUMENTS", "40"))
"""The documents of the model change; 1,000 for the full run."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    with stack_on(tmp_path_factory.mktemp("reindex"), batch_documents=16) as rig:
        yield rig


def reached(rig: FlowRig, collection: str, *states: str, seconds: float = 120.0) -> str:
    """Wait until the re-index is in one of these states; which one."""

    def state() -> str:
        return reindex.status(rig.services, collection).state

    patience_s = max(seconds, NUMBER / 2)
    assert eventually(lambda: state() in states, patience_s, 0.1), reindex.status(rig.services, collection)
    return state()


def live(rig: FlowRig, collection: str) -> indexes.Index:
    with rig.services.catalog.connect() as connection:
        found = indexes.live(connection, collection)
    assert found is not None
    return found


class Load:
    """Asks and submits all the while, and notes what went wrong."""

    def __init__(self, rig: FlowRig, collection: str, folder: Path) -> None:
        self.rig, self.collection, self.folder = rig, collection, folder
        self.asked = self.submitted = 0
        self.problems: list[str] = []
        self.jobs: list[str] = []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask), threading.Thread(target=self._submit)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self) -> None:
        services = Services(self.rig.settings)
        while not self._end.is_set():
            try:
                hits = search(services, "Letter of series 7", self.collection, 20, "dense").hits
            except Exception as error:  # whatever it is, a reader has seen it
                self.problems.append(f"{type(error).__name__}: {error}")
                continue
            self.asked += 1
            found = {(hit.source, hit.version_id) for hit in hits}
            if len({source for source, _ in found}) != len(found):
                self.problems.append(f"two versions of a document: {found}")
            if not hits:
                self.problems.append("an empty answer")
            with services.catalog.connect() as connection:
                ids = [hit.version_id for hit in hits]
                query = sa.select(versions.c.index_name).where(versions.c.id.in_(ids)).distinct()
                places = connection.scalars(query).all()
            if len(places) > 1:
                self.problems.append(f"a mixed answer: {places}")
            self._end.wait(0.1)

    def _submit(self) -> None:
        other = FlowRig(self.rig.settings)
        while not self._end.is_set():
            path = write_documents(self.folder / f"new-{self.submitted}", 1, seed=10_000 + self.submitted)[0]
            self.jobs.append(other.submit(path, collection=self.collection))
            self.submitted += 1
            self._end.wait(1.0)


def test_another_model_and_back(rig: FlowRig, tmp_path: Path) -> None:
    """From 384 dimensions to 128 while one asks and submits: no failed query, nothing lost; then back."""
    write_documents(tmp_path / "old", NUMBER, seed=7)
    assert rig.ingest(tmp_path / "old", collection="model", seconds=300) == {"completed": NUMBER}
    extracted = reads(rig)
    with Load(rig, "model", tmp_path) as load:
        reindex.start(rig.services, Wish(collection="model", model="hashing-128"))
        reached(rig, "model", "soaking")
        time.sleep(1.0)
        assert live(rig, "model").fingerprint.dim == 128
        told = reindex.status(rig.services, "model")
        rig.wait(load.jobs[-1], 120)
        reindex.rollback(rig.services, "model")
        reached(rig, "model", "rolled_back")
        time.sleep(1.0)
    assert load.problems == []
    assert load.asked > 10
    assert all(rig.wait(job) == {"completed": 1} for job in load.jobs)
    assert told.report is not None
    assert told.report["chunks"] == told.report["points"]
    assert told.report["documents"] >= NUMBER
    assert told.report["recall"] >= 0.95
    assert told.report["questions"] == 24
    assert live(rig, "model").fingerprint.dim == 384
    count = sa.select(sa.func.count()).where(
        documents.c.collection == "model", documents.c.live_version_id.is_not(None)
    )
    assert rig.scalar(count) == NUMBER + load.submitted
    rig.assert_exact("model")
    assert reads(rig) - extracted == load.submitted, "a text was read again"
    print(f"{NUMBER} documents, {load.asked} questions, {load.submitted} submissions, report {told.report}")


def reads(rig: FlowRig) -> int:
    """Files that were read so far, as the workers' logs say."""
    return sum(line.get("read", 0) for line in rig.logged("stage.done") if line.get("stage") == "extract")


def test_killed_in_the_middle_it_goes_on(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path, 40, seed=8)
    assert rig.ingest(tmp_path, collection="killed") == {"completed": 40}
    reindex.start(rig.services, Wish(collection="killed", chunk_tokens=64))
    for name in ("store", "embed-1"):
        assert eventually(lambda: rig.rows(sa.select(tasks.c.id).where(tasks.c.state == "running")), 30, 0.01)
        for process in rig.processes(name, "pipeline.worker"):
            process.kill()
    reached(rig, "killed", "soaking")
    held = live(rig, "killed")
    assert (held.name, held.making.chunk_tokens) == ("killed~2", 64)
    stored, live_ones = rig.stored("killed~2"), rig.stored("killed~2", live=True)
    chunks = sa.select(sa.func.sum(versions.c.chunks)).join(documents, documents.c.live_version_id == versions.c.id)
    assert len(stored) == len(set(stored)) == len(live_ones)
    assert len(stored) == rig.scalar(chunks.where(documents.c.collection == "killed"))


def test_tags_go_along_and_change_in_both_indexes(rig: FlowRig, tmp_path: Path) -> None:
    paths = write_documents(tmp_path, 8, seed=12)
    tagged(rig, paths, "first")
    reindex.start(rig.services, Wish(collection="tags", chunk_tokens=64))
    tagged(rig, paths[:4], "second")
    reached(rig, "tags", "soaking")
    tagged(rig, paths[:2], "third")
    wanted = {str(path): ["third" if at < 2 else "second" if at < 4 else "first"] for at, path in enumerate(paths)}

    def labels(index: str) -> dict[str, list[str]]:
        return {one["source"]: one["tags"] for one in rig.services.store.read(index, Filter(live=True), 1000)}

    assert eventually(lambda: labels("tags~1") == labels("tags~2") == wanted, 20), (labels("tags~1"), labels("tags~2"))
    hits = search(rig.services, "Letter of series", "tags", 50, "dense", Filter(tags=("third", "first"))).hits
    assert {hit.source for hit in hits} == {str(path) for path in (*paths[:2], *paths[4:])}


def tagged(rig: FlowRig, paths: list[Path], tag: str) -> None:
    """Take files in with a tag, and wait."""
    request = Request(paths, "tags", tags=[tag])
    found = find(rig.services, request)
    job = open_job(rig.services, request, found)
    take_in(rig.services, job, found)
    rig.wait(job)


def test_the_gate_refuses_and_says_why(rig: FlowRig, tmp_path: Path) -> None:
    """A text that was not kept, of a file that is gone, cannot be made anew: the old index goes on answering."""
    paths = write_documents(tmp_path, 6, seed=9)
    assert rig.ingest(tmp_path, collection="gate") == {"completed": 6}
    with rig.services.catalog.connect() as connection:
        row = connection.execute(
            sa.select(versions.c.content_sha256, versions.c.extraction, documents.c.source)
            .join(documents, documents.c.live_version_id == versions.c.id)
            .where(documents.c.source == str(paths[0]))
        ).one()
    from pipeline.texts import text_key_of

    rig.services.spool.delete(text_key_of(row.content_sha256, row.source, row.extraction))
    paths[0].unlink()
    reindex.start(rig.services, Wish(collection="gate", model="hashing-128"))
    assert reached(rig, "gate", "refused", "soaking") == "refused"
    told = reindex.status(rig.services, "gate")
    assert [(one["source"], one["code"]) for one in told.failures] == [(str(paths[0]), "unreadable")]
    assert "1 documents failed" in str(told.message)
    assert live(rig, "gate").fingerprint.dim == 384
    reindex.resume(rig.services, "gate", allow_failed=True)
    reached(rig, "gate", "soaking")
    hits = search(rig.services, "Letter of series 9", "gate", 20, "dense").hits
    assert {hit.source for hit in hits} == {str(path) for path in paths[1:]}


def test_a_plan_changes_nothing_and_what_makes_no_sense_is_refused(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path, 3, seed=3)
    assert rig.ingest(tmp_path, collection="plan") == {"completed": 3}
    told = reindex.plan(rig.services, Wish(collection="plan", model="hashing-128"))
    assert (told.documents, told.texts_kept, told.unreadable, told.dimensions) == (3, 3, 0, 128)
    assert told.stages == ["chunk", "embed", "upsert", "finalize"]
    assert told.seconds is not None
    assert told.disk_bytes > 0
    with pytest.raises(UnknownId):
        reindex.status(rig.services, "plan")
    for wish, text in (
        (Wish(collection="plan"), "made so already"),
        (Wish(collection="plan", model="hashing-128", media_type="text/plain"), "whole collection"),
    ):
        with pytest.raises(BadRequest, match=text):
            reindex.start(rig.services, wish)
    with pytest.raises(UnknownId):
        reindex.start(rig.services, Wish(collection="nowhere", model="hashing-128"))


def test_done_anew_in_place(rig: FlowRig, tmp_path: Path) -> None:
    """Documents below a folder are read again; the others are left alone, and readers see one version each."""
    for name in ("a", "b"):
        write_documents(tmp_path / name, 5, seed=len(name))
    assert rig.ingest(tmp_path, collection="anew") == {"completed": 10}
    before = {row.source: row.live_version_id for row in rig.rows(sa.select(documents))}
    read = reads(rig)
    begun = reindex.start(rig.services, Wish(collection="anew", path=str(tmp_path / "a"), re_extract=True))
    reached(rig, "anew", "done")
    assert rig.wait(begun.job_id) == {"completed": 5}
    changed = {row.source for row in rig.rows(sa.select(documents)) if before[row.source] != row.live_version_id}
    assert changed == {str(path) for path in (tmp_path / "a").iterdir()}
    assert reads(rig) - read == 5
    rig.assert_exact("anew")


def test_paused_resumed_and_cancelled(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path, 12, seed=5)
    assert rig.ingest(tmp_path, collection="calm") == {"completed": 12}
    reindex.start(rig.services, Wish(collection="calm", model="hashing-128", per_minute=1))
    assert reindex.pause(rig.services, "calm").paused
    time.sleep(2.0)
    assert reindex.status(rig.services, "calm").lacks["missing"] == 12
    with pytest.raises(BadRequest, match="under way"):
        reindex.start(rig.services, Wish(collection="calm", model="hashing-128"))
    reindex.resume(rig.services, "calm", per_minute=100_000)
    assert eventually(lambda: reindex.status(rig.services, "calm").lacks["missing"] < 12, 60)
    ended = reindex.cancel(rig.services, "calm")
    assert ended.state == "cancelled"
    assert live(rig, "calm").name == "calm~1"
    assert eventually(lambda: "calm~2" not in rig.services.store.collections(), 60)
    rig.assert_exact("calm")
    with writing(rig.services.catalog) as connection:
        assert indexes.live(connection, "calm") is not None


def test_by_the_api(rig: FlowRig, tmp_path: Path) -> None:
    """The same functions behind routes: plan, begin, follow, go back; what is wrong is a problem detail."""
    write_documents(tmp_path, 4, seed=11)
    assert rig.ingest(tmp_path, collection="routes") == {"completed": 4}
    with TestClient(make_app(rig.services, embedded=True), base_url="http://127.0.0.1") as client:
        wish = {"collection": "routes", "model": "hashing-128"}
        assert client.post("/v1/reindex/plan", json=wish).json()["documents"] == 4
        assert client.get("/v1/reindex/routes").status_code == 404
        begun = client.post("/v1/reindex", json=wish)
        assert (begun.status_code, begun.json()["to_index"]) == (202, "routes~2")
        again = client.post("/v1/reindex", json=wish)
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        reached(rig, "routes", "soaking")
        assert client.get("/v1/reindex/routes").json()["report"]["points"] == 4
        assert client.post("/v1/reindex/routes/rollback").status_code == 202
        reached(rig, "routes", "rolled_back")
        for path, body, status in (
            ("", {"collection": "nowhere", "model": "hashing-128"}, 404),
            ("", {"collection": "../x"}, 422),
            ("", {"colour": "red"}, 422),
            ("", {"collection": "routes", "chunk_tokens": 3}, 422),
            ("/routes/cancel", {}, 409),
            ("/routes/resume", {"per_minute": 0}, 422),
        ):
            assert client.post(f"/v1/reindex{path}", json=body).status_code == status, (path, body)


@pytest.fixture(scope="module")
def server_rig(stand_in: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    """A stack whose vectors are on a server, or what stands in for one."""
    folder = tmp_path_factory.mktemp("server")
    with stack_on(folder, qdrant_url=stand_in, reindex_soak_s=0.0) as rig:
        yield rig


def test_on_a_server_the_alias_follows_and_nothing_is_read_again(
    server_rig: FlowRig, tmp_path: Path, needs: Callable[..., None]
) -> None:
    """A scanned page too: neither its file, which is gone, nor OCR is needed; after the soak the old index goes."""
    needs("tesseract")
    rig = server_rig
    path = tmp_path / SCAN.name
    path.write_bytes(SCAN.read_bytes())
    write_documents(tmp_path, 5, seed=4)
    assert rig.ingest(tmp_path, collection="alias") == {"completed": 6}
    assert rig.services.store.aliases()["alias"] == "alias~1"
    question = "Letter of series 4"
    before = {hit.source for hit in search(rig.services, question, "alias", 20, "dense").hits}
    read = reads(rig)
    for file in tmp_path.iterdir():
        file.unlink()
    begun = reindex.start(rig.services, Wish(collection="alias", model="hashing-128"))
    assert reached(rig, "alias", "done", "refused") == "done"
    assert reads(rig) == read
    stages = {row.stage for row in rig.tasks_of(begun.job_id)}
    assert stages == {"extract", "chunk", "embed", "upsert", "finalize"}
    assert rig.services.store.aliases()["alias"] == "alias~2"
    assert eventually(lambda: "alias~1" not in rig.services.store.collections(), 30)
    assert {hit.source for hit in search(rig.services, question, "alias", 20, "dense").hits} == before
    with pytest.raises(BadRequest, match="the last one is done"):
        reindex.rollback(rig.services, "alias")
