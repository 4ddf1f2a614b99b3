"""Re-index under load: another model, readers and submitters all the while, kills in between, and back again."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, write_documents
from reindex_rig import NUMBER, half_built, held, live, reached
from starlette.testclient import TestClient
from stores import stand_in
from write_lock import guarded

from pipeline import reindex
from pipeline.api.app import make_app
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempts, documents, failures, shadows, versions
from pipeline.catalog.database.schema import jobs as jobs_table
from pipeline.catalog.documents.deletion import tombstone
from pipeline.catalog.index import indexes
from pipeline.catalog.reindex import reindexes
from pipeline.catalog.reindex.reindexes import Options, Reindex
from pipeline.catalog.work import jobs
from pipeline.catalog.work.jobs import Job
from pipeline.errors import BadRequest, Conflict, UnknownId
from pipeline.ingest.delete import delete
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.request import Request
from pipeline.ingest.submit import find, open_job
from pipeline.reindex import ReindexRequest
from pipeline.reindex.backfill import backfill
from pipeline.reindex.step_errors import MAX_ERRORS
from pipeline.search import search
from pipeline.services import Services
from pipeline.spool import LocalSpool
from pipeline.stages.kept_texts import text_key_of
from pipeline.task_manager import TaskManager
from pipeline.vectorstore.base import Filter

__all__ = ["stand_in"]

SCAN = Path(__file__).parents[2] / "samples" / "documents" / "letter_scan.png"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    with stack_on(tmp_path_factory.mktemp("reindex"), batch_documents=16) as rig:
        yield rig


class Load:
    """Asks and submits all the while, and notes what went wrong."""

    def __init__(self, rig: FlowRig, collection: str, folder: Path) -> None:
        self.rig, self.collection, self.folder = rig, collection, folder
        self.asked = self.submitted = self.deleted = 0
        self.changed: dict[Path, str] = {}
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
            thread.join(240)

    def goes_on(self) -> None:
        """Wait for some more questions, and for the next submission."""
        asked, submitted = self.asked, self.submitted
        assert eventually(lambda: self.asked > asked + 5 and self.submitted > submitted), self.problems

    def _ask(self) -> None:
        services = Services(self.rig.settings)
        while not self._end.is_set():
            try:
                hits = search(services, "Letter of series 7", self.collection, 20, "dense").hits
            except Exception as error:  # a reader sees every error
                self.problems.append(f"{type(error).__name__}: {error}")
                continue
            self.asked += 1
            answered = {(hit.source, hit.version_id) for hit in hits}
            if len({source for source, _ in answered}) != len(answered):
                self.problems.append(f"two versions of a document: {answered}")
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
            self._change(other)
            self._end.wait(2.0)

    def _change(self, rig: FlowRig) -> None:
        """Another content for one of the documents that were there at the beginning, and one of them less."""
        old = sorted((self.folder / "old").iterdir())
        path = old[self.submitted % len(old)]
        self.changed[path] = f"Changed for the {self.submitted}th time. " * 3
        path.write_text(self.changed[path])
        self.jobs.append(rig.submit(path, collection=self.collection))
        if self.submitted % 2 and len(old) > 10:
            gone = old[(self.submitted + 5) % len(old)]
            delete(rig.services, self.collection, [str(gone)])
            self.changed.pop(gone, None)
            gone.unlink()
            self.deleted += 1


def test_another_model_and_back(rig: FlowRig, tmp_path: Path) -> None:
    """From 384 dimensions to 128 while one asks and submits: no failed query, nothing lost; then back."""
    write_documents(tmp_path / "old", NUMBER, seed=7)
    assert rig.ingest(tmp_path / "old", collection="model", seconds=300) == {"completed": NUMBER}
    extracted = reads(rig)
    with Load(rig, "model", tmp_path) as load:
        reindex.start(rig.services, ReindexRequest(collection="model", model="hashing-128"))
        reached(rig, "model", "soaking")
        load.goes_on()
        assert live(rig, "model").fingerprint.dim == 128
        status = reindex.status(rig.services, "model")
        rig.wait(load.jobs[-1])
        reindex.rollback(rig.services, "model")
        reached(rig, "model", "rolled_back")
        load.goes_on()
    assert load.problems == []
    assert load.asked > 10
    ended = [rig.wait(job) for job in load.jobs]
    # Cancelled: deleted, or replaced.
    assert all(result in ({"completed": 1}, {"cancelled": 1}) for result in ended), ended
    assert status.report is not None
    assert status.report["chunks"] == status.report["points"]
    assert status.report["documents"] >= NUMBER - load.deleted
    assert status.report["recall"] >= 0.95
    # A document that the load deletes after it was sampled asks no question.
    assert 24 - load.deleted <= status.report["questions"] <= 24
    assert live(rig, "model").fingerprint.dim == 384
    count = sa.select(sa.func.count()).where(
        documents.c.collection == "model", documents.c.live_version_id.is_not(None)
    )
    assert rig.scalar(count) == NUMBER + load.submitted - load.deleted
    assert load.deleted
    newest = sa.select(versions.c.content_sha256).join(documents, documents.c.live_version_id == versions.c.id)
    for path, text in load.changed.items():
        shown = rig.rows(newest.where(documents.c.collection == "model", documents.c.source == str(path)))
        assert [row.content_sha256 for row in shown] == [sha256(text.encode()).hexdigest()]
    assert eventually(lambda: set(rig.stored("model~1")) == rig.expected("model"))
    rig.assert_exact("model")
    assert reads(rig) - extracted <= len(load.jobs), "a text was read again"
    print(f"{NUMBER} documents, {load.asked} questions, {load.submitted} submissions, report {status.report}")


def reads(rig: FlowRig) -> int:
    """Files that were read so far, as the workers' logs say."""
    return sum(line.get("read", 0) for line in rig.logged("stage.done") if line.get("stage") == "extract")


def kill(rig: FlowRig, *names: str) -> None:
    for name in names:
        for process in rig.processes(name, "pipeline.engine.worker"):
            process.kill()


def test_reindex_continues_after_kills_without_repeating_work(rig: FlowRig, tmp_path: Path) -> None:
    """While it builds, asks and goes back: what was built before is not built again."""
    write_documents(tmp_path, 24, seed=8)
    assert rig.ingest(tmp_path, collection="killed") == {"completed": 24}
    # One batch is finished, another one is about to be.
    rig.gates.let("finalize")
    with rig.gates.closed("finalize"):
        begun = reindex.start(rig.services, ReindexRequest(collection="killed", chunk_tokens=64))
        assert eventually(lambda: held(rig, "killed~2"))
        rig.gates.arrived("finalize")
        kill(rig, "store", "embed-1")
        before = held(rig, "killed~2")
    assert 0 < len(before) < 24
    reached(rig, "killed", "gating", "switching", "soaking")
    kill(rig, "store")
    reached(rig, "killed", "soaking")
    tries = rig.rows(sa.select(attempts.c.document_id, attempts.c.state).where(attempts.c.job_id == begun.job_id))
    assert sorted(row.state for row in tries) == ["completed"] * 24
    assert len({row.document_id for row in tries}) == 24
    shown = sa.select(documents.c.live_version_id).where(documents.c.collection == "killed")
    assert before <= {row.live_version_id for row in rig.rows(shown)}
    made = live(rig, "killed")
    assert (made.name, made.spec.chunk_tokens) == ("killed~2", 64)
    stored, live_ones = rig.stored("killed~2"), rig.stored("killed~2", live=True)
    chunks = sa.select(sa.func.sum(versions.c.chunks)).join(documents, documents.c.live_version_id == versions.c.id)
    assert len(stored) == len(set(stored)) == len(live_ones)
    assert len(stored) == rig.scalar(chunks.where(documents.c.collection == "killed"))
    was = held(rig, "killed~1")
    reindex.rollback(rig.services, "killed")
    kill(rig, "store")
    reached(rig, "killed", "rolled_back")
    assert {row.live_version_id for row in rig.rows(shown)} == was


def test_tags_change_in_both_indexes_during_a_reindex(rig: FlowRig, tmp_path: Path) -> None:
    paths = write_documents(tmp_path, 8, seed=12)
    tagged(rig, paths, "first")
    reindex.start(rig.services, ReindexRequest(collection="tags", chunk_tokens=64))
    tagged(rig, paths[:4], "second")
    reached(rig, "tags", "soaking")
    tagged(rig, paths[:2], "third")
    wanted = {str(path): ["third" if at < 2 else "second" if at < 4 else "first"] for at, path in enumerate(paths)}

    def labels(index: str) -> dict[str, list[str]]:
        return {
            payload["source"]: payload["tags"] for payload in rig.services.store.read(index, Filter(live=True), 1000)
        }

    assert eventually(lambda: labels("tags~1") == labels("tags~2") == wanted), (labels("tags~1"), labels("tags~2"))
    hits = search(rig.services, "Letter of series", "tags", 50, "dense", Filter(tags=("third", "first"))).hits
    assert {hit.source for hit in hits} == {str(path) for path in (*paths[:2], *paths[4:])}


def tagged(rig: FlowRig, paths: list[Path], tag: str) -> None:
    """Take files in with a tag, and wait."""
    request = Request(paths, "tags", tags=[tag])
    files = find(rig.services, request)
    job = open_job(rig.services, request, files)
    ingest_files(rig.services, job, files)
    rig.wait(job)


def test_validation_refuses_a_reindex_with_its_reason(rig: FlowRig, tmp_path: Path) -> None:
    """A text that was not kept cannot be read again from a missing file: the old index stays live."""
    paths = write_documents(tmp_path, 6, seed=9)
    assert rig.ingest(tmp_path, collection="gate") == {"completed": 6}
    lose_texts(rig, "gate", paths[:1])
    reindex.start(rig.services, ReindexRequest(collection="gate", model="hashing-128"))
    assert reached(rig, "gate", "refused", "soaking") == "refused"
    status = reindex.status(rig.services, "gate")
    assert [(failure["source"], failure["code"]) for failure in status.failures] == [(str(paths[0]), "unreadable")]
    assert "1 documents failed" in str(status.message)
    assert live(rig, "gate").fingerprint.dim == 384
    reindex.resume(rig.services, "gate", allow_failed=True)
    reached(rig, "gate", "soaking")
    hits = search(rig.services, "Letter of series 9", "gate", 20, "dense").hits
    assert {hit.source for hit in hits} == {str(path) for path in paths[1:]}


def test_reindex_plan_changes_nothing_and_refuses_useless_requests(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path, 3, seed=3)
    assert rig.ingest(tmp_path, collection="plan") == {"completed": 3}
    planned = reindex.plan(rig.services, ReindexRequest(collection="plan", model="hashing-128"))
    assert (planned.documents, planned.texts_kept, planned.unreadable, planned.dimensions) == (3, 3, 0, 128)
    assert planned.stages == ["chunk", "embed", "upsert", "finalize"]
    assert planned.seconds is not None
    assert planned.disk_bytes > 0
    with pytest.raises(UnknownId):
        reindex.status(rig.services, "plan")
    for request, text in (
        (ReindexRequest(collection="plan"), "made so already"),
        (ReindexRequest(collection="plan", model="hashing-128", media_type="text/plain"), "whole collection"),
    ):
        with pytest.raises(BadRequest, match=text):
            reindex.start(rig.services, request)
    with pytest.raises(UnknownId):
        reindex.start(rig.services, ReindexRequest(collection="nowhere", model="hashing-128"))


def test_reindex_in_place_reads_only_its_folder_again(rig: FlowRig, tmp_path: Path) -> None:
    """Documents below a folder are read again; the others are left alone, and readers see one version each."""
    for name in ("a", "b"):
        write_documents(tmp_path / name, 5, seed=len(name))
    assert rig.ingest(tmp_path, collection="anew") == {"completed": 10}
    before = {row.source: row.live_version_id for row in rig.rows(sa.select(documents))}
    read = reads(rig)
    begun = reindex.start(rig.services, ReindexRequest(collection="anew", path=str(tmp_path / "a"), re_extract=True))
    reached(rig, "anew", "done")
    assert rig.wait(begun.job_id) == {"completed": 5}
    changed = {row.source for row in rig.rows(sa.select(documents)) if before[row.source] != row.live_version_id}
    assert changed == {str(path) for path in (tmp_path / "a").iterdir()}
    assert reads(rig) - read == 5
    rig.assert_exact("anew")


def test_reindex_can_be_paused_resumed_and_cancelled(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path, 12, seed=5)
    assert rig.ingest(tmp_path, collection="calm") == {"completed": 12}
    assert rig.ingest(tmp_path, collection="driven") == {"completed": 12}
    reindex.start(rig.services, ReindexRequest(collection="calm", model="hashing-128", per_minute=1))
    assert reindex.pause(rig.services, "calm").paused
    # The driver goes through all re-indexes: it has passed the paused one when it has built another.
    reindex.start(rig.services, ReindexRequest(collection="driven", model="hashing-128"))
    reached(rig, "driven", "soaking")
    assert reindex.status(rig.services, "calm").lacks["missing"] == 12
    with pytest.raises(BadRequest, match="under way"):
        reindex.start(rig.services, ReindexRequest(collection="calm", model="hashing-128"))
    reindex.resume(rig.services, "calm", per_minute=100_000)
    with rig.gates.closed("finalize"):
        assert eventually(lambda: reindex.status(rig.services, "calm").lacks["missing"] < 12)
        ended = reindex.cancel(rig.services, "calm")
    assert ended.state == "cancelled"
    assert live(rig, "calm").name == "calm~1"
    assert eventually(lambda: "calm~2" not in rig.services.store.collections())
    rig.assert_exact("calm")
    with writing(rig.services.catalog) as connection:
        assert indexes.live(connection, "calm") is not None


def test_reindex_by_the_api(rig: FlowRig, tmp_path: Path) -> None:
    """The same functions behind routes: plan, begin, follow, go back; what is wrong is a problem detail."""
    write_documents(tmp_path, 4, seed=11)
    assert rig.ingest(tmp_path, collection="routes") == {"completed": 4}
    with TestClient(make_app(rig.services, embedded=True), base_url="http://127.0.0.1") as client:
        request = {"collection": "routes", "model": "hashing-128"}
        assert client.post("/v1/reindex/plan", json=request).json()["documents"] == 4
        assert client.get("/v1/reindex/routes").status_code == 404
        begun = client.post("/v1/reindex", json=request)
        assert (begun.status_code, begun.json()["to_index"]) == (202, "routes~2")
        again = client.post("/v1/reindex", json=request)
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        reached(rig, "routes", "soaking")
        assert client.get("/v1/reindex/routes").json()["report"]["points"] == 4
        assert client.post("/v1/reindex/routes/rollback").status_code == 202
        reached(rig, "routes", "rolled_back")


REFUSED: dict[str, tuple[str, str, object]] = {
    "a body that is not JSON": ("POST", "", b"{"),
    "an unknown field": ("POST", "", {"colour": "red"}),
    "a collection's name with other characters than letters, digits, `_` and `-`": ("POST", "", {"collection": "../x"}),
    "chunks of fewer than 16 tokens": ("POST", "", {"chunk_tokens": 3}),
    "a time that is not ISO 8601": ("POST", "", {"before": "yesterday"}),
    "a limit of zero documents a minute": ("POST", "/bad/resume", {"per_minute": 0}),
    "an unknown collection": ("POST", "", {"collection": "nowhere", "model": "hashing-128"}),
    "a model that cannot be found": ("POST", "", {"collection": "bad", "model": "nowhere"}),
    "a dimension for a model that runs here": ("POST", "", {"collection": "bad", "model": "hashing-128", "dim": 3}),
    "an endpoint's model whose dimension is not known": ("POST", "", {"collection": "bad", "model": "some-model"}),
    "a path that is not absolute": ("POST", "", {"collection": "bad", "path": "../x"}),
    "a type that no format has": ("POST", "", {"collection": "bad", "media_type": "nonsense"}),
    "conditions that no document meets": ("POST", "", {"collection": "bad", "code": "nonsense"}),
    "the model and chunk size that the collection has already": ("POST", "", {"collection": "bad"}),
    "a model or chunk size for some documents only": (
        "POST", "", {"collection": "bad", "chunk_tokens": 64, "media_type": "txt"},
    ),
    "a second re-index while one is under way": ("POST", "", {"collection": "busy", "model": "hashing-128"}),
    "a rollback before the cutover": ("POST", "/busy/rollback", {}),
    "the status of a collection that was never re-indexed": ("GET", "/bad", {}),
}  # fmt: skip


def refusals() -> dict[str, tuple[str, int]]:
    """The table in docs/reindex.md: code and status by what is refused."""
    text = (Path(__file__).parents[2] / "docs" / "reindex.md").read_text().partition("## What is refused")[2]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]
    return {what.strip(): (code.strip("`"), int(status)) for what, code, status in rows[1:]}


def test_refused_reindex_requests_match_the_table(rig: FlowRig, tmp_path: Path) -> None:
    path = write_documents(tmp_path, 1, seed=18)[0]
    for name in ("bad", "busy"):
        assert rig.ingest(path, collection=name) == {"completed": 1}
    reindex.start(rig.services, ReindexRequest(collection="busy", model="hashing-128", per_minute=1))
    reindex.pause(rig.services, "busy")
    away = Services(rig.settings.model_copy(update={"embedding_url": "http://127.0.0.1:9/v1"}))
    assert refusals().keys() == REFUSED.keys()
    with (
        TestClient(make_app(rig.services, embedded=True), base_url="http://127.0.0.1") as client,
        TestClient(make_app(away, embedded=True), base_url="http://127.0.0.1") as far,
    ):
        for what, (code, status) in refusals().items():
            method, address, body = REFUSED[what]
            content = {"content": body} if isinstance(body, bytes) else {"json": body}
            asked = far if "endpoint" in what else client
            headers = {"content-type": "application/json"}
            answer = asked.request(method, f"/v1/reindex{address}", headers=headers, **content)
            assert (answer.json()["code"], answer.status_code) == (code, status), (what, answer.text)
    reindex.cancel(rig.services, "busy")


@pytest.fixture(scope="module")
def server_rig(stand_in: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    """A stack whose vectors are on a server, or what stands in for one."""
    folder = tmp_path_factory.mktemp("server")
    with stack_on(folder, qdrant_url=stand_in, reindex_soak_s=0.0) as rig:
        yield rig


def test_alias_follows_a_reindex_on_a_server_without_reading_files(
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
    begun = reindex.start(rig.services, ReindexRequest(collection="alias", model="hashing-128"))
    assert reached(rig, "alias", "done", "refused") == "done"
    assert reads(rig) == read
    stages = {row.stage for row in rig.tasks_of(begun.job_id)}
    assert stages == {"extract", "chunk", "embed", "upsert", "finalize"}
    assert rig.services.store.aliases()["alias"] == "alias~2"
    assert eventually(lambda: "alias~1" not in rig.services.store.collections())
    assert {hit.source for hit in search(rig.services, question, "alias", 20, "dense").hits} == before
    with pytest.raises(BadRequest, match="the last one is done"):
        reindex.rollback(rig.services, "alias")


class LockCheckingSpool(LocalSpool):
    """A spool that notes at each call whether a writer of the catalog would have to wait."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.settings.data_dir / "spool")
        self.free: list[bool] = []
        self._path = services.settings.data_dir / "catalog.db"

    def exists(self, key: str) -> bool:
        self._check()
        return super().exists(key)

    def write(self, key: str, data: bytes) -> None:
        self._check()
        super().write(key, data)

    def put_file(self, key: str, path: Path) -> None:
        self._check()
        super().put_file(key, path)

    def renew(self, key: str) -> bool:
        self._check()
        return super().renew(key)

    def _check(self) -> None:
        """Other processes of the stack write for milliseconds; the caller would hold the lock for all of the wait."""
        with closing(sqlite3.connect(self._path, timeout=5.0)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                self.free.append(False)
            else:
                self.free.append(True)
                connection.rollback()


class RobbedSpool(LocalSpool):
    """A spool of which another process removes each original once, right after it was seen there."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.settings.data_dir / "spool")
        self.written: list[str] = []
        self._removed: set[str] = set()

    def write(self, key: str, data: bytes) -> None:
        self.written.append(key)
        super().write(key, data)

    def exists(self, key: str) -> bool:
        is_there = super().exists(key)
        if is_there and key.startswith("originals/") and key not in self._removed:
            self._removed.add(key)
            self.delete(key)
        return is_there


def begun_by_hand(rig: FlowRig, collection: str) -> Reindex:
    """A re-index that reads all files again, and that the stack's own driver leaves alone."""
    old = live(rig, collection)
    with writing(rig.services.catalog) as connection:
        job = jobs.create(connection, Job(collection, "reindex", 1), "r", 0).id
        indexes.add(connection, replace(old, name=f"{collection}~2", role="building", pinned=True))
        options = Options(re_extract=True, soak_s=60.0)
        reindex_id = reindexes.create(connection, job, collection, (old.name, f"{collection}~2"), options)
        reindexes.update(connection, reindex_id, again_at=time.time() + 3600)
        return reindexes.get(connection, reindex_id)


def go_on(rig: FlowRig, reindex: Reindex) -> None:
    """Let the stack's driver take it to its end."""
    with writing(rig.services.catalog) as connection:
        reindexes.update(connection, reindex.id, again_at=None)
    assert reached(rig, reindex.collection, "soaking", "refused") == "soaking", reindex


def test_original_removed_before_the_commit_is_copied_again(rig: FlowRig, tmp_path: Path) -> None:
    paths = write_documents(tmp_path, 2, seed=22)
    assert rig.ingest(tmp_path, collection="robbed") == {"completed": 2}
    begun, services = begun_by_hand(rig, "robbed"), Services(rig.settings)
    spool = vars(services)["spool"] = RobbedSpool(services)
    assert backfill(services, begun, "robbed~2") == 2
    assert sorted(spool.written) == sorted([*set(spool.written)] * 2)
    assert len(spool.written) == 4
    go_on(rig, begun)
    states = sa.select(attempts.c.state).where(attempts.c.job_id == begun.job_id)
    assert [row.state for row in rig.rows(states)] == ["completed"] * len(paths)


def test_files_are_copied_in_while_others_can_write(rig: FlowRig, tmp_path: Path) -> None:
    """A backfill that reads files again neither reads nor writes any while it holds the catalog's write lock."""
    write_documents(tmp_path, 3, seed=21)
    (tmp_path / "large.txt").write_text("A letter from the harbour." + "\n" * 4_800_000)  # more than is held in memory
    assert rig.ingest(tmp_path, collection="unlocked") == {"completed": 4}
    begun = begun_by_hand(rig, "unlocked")
    services = Services(rig.settings)
    spool = vars(services)["spool"] = LockCheckingSpool(services)
    with guarded(services):
        assert backfill(services, begun, "unlocked~2") == 4
    assert len(spool.free) >= 8
    assert all(spool.free)
    go_on(rig, begun)
    assert len(held(rig, "unlocked~1")) == 4


def test_failing_reindex_delays_no_other_and_is_refused_after_its_last_error(rig: FlowRig, tmp_path: Path) -> None:
    """Its index is missing: the error is reported and retried, and at last the user has to decide."""
    write_documents(tmp_path, 2, seed=13)
    for name in ("broken", "sound"):
        assert rig.ingest(tmp_path, collection=name) == {"completed": 2}
    with writing(rig.services.catalog) as connection:
        job = jobs.create(connection, Job("broken", "reindex", 1), "r", 0).id
        broken_reindex = reindexes.create(connection, job, "broken", ("broken~1", "broken~9"), Options())
        reindexes.enter_state(connection, broken_reindex, "gating")
    message = lambda: reindex.status(rig.services, "broken").message or ""  # noqa: E731
    assert eventually(lambda: message().startswith("unknown_id: There is no index broken~9.")), message()
    reindex.start(rig.services, ReindexRequest(collection="sound", model="hashing-128"))
    reached(rig, "sound", "soaking")
    with writing(rig.services.catalog) as connection:
        reindexes.update(connection, broken_reindex, stumbles=MAX_ERRORS - 1, again_at=None)
    reached(rig, "broken", "refused")
    assert f"tried {MAX_ERRORS} times" in message()
    assert reindex.cancel(rig.services, "broken").state == "cancelled"


def test_reversible_deletion_does_not_disturb_validation(rig: FlowRig, tmp_path: Path) -> None:
    """Its points stay for a while in the index that is being built, and are no points too many."""
    paths = write_documents(tmp_path, 4, seed=14)
    assert rig.ingest(tmp_path, collection="undo") == {"completed": 4}
    built = half_built(rig, ReindexRequest(collection="undo", model="hashing-128"), 1)
    assert len(built) == 1
    there = sa.select(versions.c.document_id).where(versions.c.id.in_(built))
    with writing(rig.services.catalog) as connection:
        tombstone(connection, [rig.rows(there)[0].document_id], time.time() + 300)
    reindex.resume(rig.services, "undo", per_minute=100_000)
    assert reached(rig, "undo", "refused", "soaking") == "soaking", reindex.status(rig.services, "undo")
    report = reindex.status(rig.services, "undo").report
    assert report is not None
    assert (report["documents"], report["points"]) == (3, report["chunks"])
    assert len(search(rig.services, "Letter of series 14", "undo", 20, "dense").hits) == len(paths) - 1


def lose_texts(rig: FlowRig, collection: str, paths: list[Path]) -> None:
    """Neither the texts of these files nor the files themselves are to be had any more."""
    for path in paths:
        query = sa.select(versions.c.content_sha256, versions.c.extraction).join(
            documents, documents.c.live_version_id == versions.c.id
        )
        row = rig.rows(query.where(documents.c.collection == collection, documents.c.source == str(path)))[0]
        rig.services.spool.delete(text_key_of(row.content_sha256, str(path), row.extraction))
        path.unlink()


def test_reindex_that_loses_half_of_the_documents_is_refused(rig: FlowRig, tmp_path: Path) -> None:
    paths = write_documents(tmp_path, 4, seed=15)
    assert rig.ingest(tmp_path, collection="empty") == {"completed": 4}
    lose_texts(rig, "empty", paths[:2])
    reindex.start(rig.services, ReindexRequest(collection="empty", model="hashing-128", allow_failed=True))
    assert reached(rig, "empty", "refused", "soaking") == "refused"
    assert "50% of all; `reindex_failed` allows 20%" in str(reindex.status(rig.services, "empty").message)
    reindex.cancel(rig.services, "empty")
    lose_texts(rig, "empty", paths[2:])
    reindex.start(rig.services, ReindexRequest(collection="empty", model="hashing-128", allow_failed=True))
    assert reached(rig, "empty", "refused", "soaking") == "refused"
    assert "holds no document, the old one 4" in str(reindex.status(rig.services, "empty").message)
    assert len(search(rig.services, "Letter of series 15", "empty", 20, "dense").hits) == 4


def test_rollback_loses_no_document_unless_allowed(rig: FlowRig, tmp_path: Path) -> None:
    """A document that came later and cannot be made for the old index: named, and kept unless one says otherwise."""
    write_documents(tmp_path / "old", 3, seed=16)
    assert rig.ingest(tmp_path / "old", collection="back") == {"completed": 3}
    reindex.start(rig.services, ReindexRequest(collection="back", model="hashing-128", per_minute=100_000))
    reached(rig, "back", "soaking")
    late = write_documents(tmp_path / "new", 1, seed=17)[0]
    assert rig.ingest(late, collection="back") == {"completed": 1}
    assert eventually(lambda: not any(reindex.status(rig.services, "back").lacks.values()))
    with writing(rig.services.catalog) as connection:
        document_id = sa.select(documents.c.id).where(documents.c.source == str(late)).scalar_subquery()
        there = sa.select(shadows.c.attempt_id).where(shadows.c.document_id == document_id).scalar_subquery()
        connection.execute(attempts.update().where(attempts.c.id == there).values(state="failed", code="corrupt"))
        lost = shadows.update().where(shadows.c.document_id == document_id)
        connection.execute(lost.values(live_version_id=None, mirrors=None))
    with pytest.raises(Conflict, match=f"1 documents failed in the old index; readers would lose them: {late}"):
        reindex.rollback(rig.services, "back")
    assert reindex.status(rig.services, "back").state == "soaking"
    reindex.rollback(rig.services, "back", allow_failed=True)
    reached(rig, "back", "rolled_back")
    assert len(search(rig.services, "Letter of series 16", "back", 20, "dense").hits) == 3
    assert rig.rows(sa.select(failures.c.code).where(failures.c.source == str(late)))[0].code == "corrupt"


def test_document_failed_in_a_reindex_is_retried_with_its_workflow(rig: FlowRig, tmp_path: Path) -> None:
    paths = write_documents(tmp_path, 6, seed=19)
    assert rig.ingest(tmp_path, collection="again") == {"completed": 6}
    text = paths[0].read_text()
    lose_texts(rig, "again", paths[:1])
    reindex.start(rig.services, ReindexRequest(collection="again", model="hashing-128", allow_failed=True))
    reached(rig, "again", "soaking")
    paths[0].write_text(text)
    job = TaskManager(rig.services).retry([str(paths[0])])[0]
    assert rig.wait(job) == {"completed": 1}
    assert rig.rows(sa.select(jobs_table.c.workflow).where(jobs_table.c.id == job))[0].workflow == "ingest"
    assert len(search(rig.services, "Letter of series 19", "again", 20, "dense").hits) == 6


def test_kept_text_is_removed_only_when_a_new_text_was_read(rig: FlowRig, tmp_path: Path) -> None:
    """Extract again: a missing file keeps the text of the older extractors, a damaged file keeps its own text."""
    gone, there = write_documents(tmp_path, 2, seed=20)
    assert rig.ingest(tmp_path, collection="reread") == {"completed": 2}
    query = sa.select(versions.c.id, versions.c.content_sha256, versions.c.extraction, documents.c.source)
    query = query.join(documents, documents.c.live_version_id == versions.c.id).where(
        documents.c.collection == "reread"
    )
    spool, kept = rig.services.spool, {row.source: row for row in rig.rows(query)}
    row = kept[str(gone)]
    spool.write(
        text_key_of(row.content_sha256, row.source, "0-older"),
        spool.read(text_key_of(row.content_sha256, row.source, row.extraction)),
    )
    spool.delete(text_key_of(row.content_sha256, row.source, row.extraction))
    with writing(rig.services.catalog) as connection:
        connection.execute(versions.update().where(versions.c.id == row.id).values(extraction="0-older"))
    gone.unlink()
    read = reads(rig)
    reindex.start(rig.services, ReindexRequest(collection="reread", re_extract=True))
    assert reached(rig, "reread", "soaking", "refused") == "soaking", reindex.status(rig.services, "reread")
    assert reads(rig) - read == 1
    now = {row.source: row.extraction for row in rig.rows(query)}
    assert now == {str(gone): "0-older", str(there): rig.services.extraction}
    other = kept[str(there)]
    assert spool.exists(text_key_of(other.content_sha256, other.source, other.extraction))


def test_reindex_scopes_and_throttle(rig: FlowRig, tmp_path: Path) -> None:
    """By type, age and version of the extractors; a throttle begins no more than it may, in place too."""
    texts = write_documents(tmp_path / "texts", 3, seed=22)
    (tmp_path / "note.md").write_text("# A note\n\nOf one paragraph.\n")
    os.utime(texts[0], (1_000_000_000, 1_000_000_000))
    assert rig.ingest(tmp_path, collection="scopes") == {"completed": 4}
    meant = lambda **scope: reindex.plan(rig.services, ReindexRequest(collection="scopes", **scope)).documents  # noqa: E731
    assert meant(media_type="txt") == 3
    assert meant(media_type="md") == 1
    assert meant(before=datetime(2002, 1, 1, tzinfo=UTC)) == 1
    assert meant(path=f"{tmp_path}/other/../texts") == 3
    assert meant(extractor=rig.services.extraction.partition("-")[0]) == 4
    for scope in ({"extractor": "0"}, {"before": datetime(1970, 1, 1, tzinfo=UTC)}):
        with pytest.raises(UnknownId, match="No document"):
            meant(**scope)
    began = time.time()
    begun = reindex.start(rig.services, ReindexRequest(collection="scopes", media_type="txt", per_minute=30))
    mine = sa.select(attempts.c.created_at).where(attempts.c.job_id == begun.job_id).order_by(attempts.c.created_at)
    reached(rig, "scopes", "done")
    at = [row.created_at for row in rig.rows(mine)]
    assert len(at) == 3
    assert at[-1] - began >= 6, "more than one in two seconds"
