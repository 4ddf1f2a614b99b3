"""Rig of the mirror tests: a real watcher process, a real stack, and the checks that must hold at rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flow_rig import FlowRig
from flow_tools import eventually

from pipeline.catalog.database.schema import attempts, documents, failures, seen, versions
from pipeline.catalog.index.vector_cache import vectors
from pipeline.names import ACTIVE
from pipeline.search import search
from pipeline.services import Services
from pipeline.settings.watch_folders import WatchFolder
from pipeline.stack import settings_environment
from pipeline.vectorstore.base import Filter
from pipeline.watch.loop import watch_all
from pipeline.watch.mirror import Mirror

SETTLE_MS = 150
REST_MS = 30
"""The same for a mirror that scans when the test calls it."""
NEVER_SO_LONG_MS = 500
"""The same beside a writer that writes all the time, however late the system wakes it."""


class MirrorRig:
    """A folder that its own process watches."""

    def __init__(self, rig: FlowRig, root: Path, **settings: Any) -> None:
        self.rig = rig
        self.root = root
        self.collection = "documents"
        self.settings = rig.settings.model_copy(
            update={"watch": (WatchFolder(path=root),), "watch_settle_ms": SETTLE_MS, "watch_max_gone": 1.0, **settings}
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a watcher."""
        environment = {**os.environ, **settings_environment(self.settings)}
        self._process = subprocess.Popen([sys.executable, "-m", "pipeline.watch", "--name", "watch"], env=environment)

    def kill(self) -> None:
        """Kill the watcher with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Stop the watcher with SIGTERM. Returns its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(120)

    def names(self) -> dict[str, str]:
        """Content of every file in the folder by its source."""
        return {str(path): path.read_text("utf-8") for path in self.root.rglob("*") if path.is_file()}

    def searchable(self) -> dict[str, str]:
        """SHA-256 of every document that readers see, by its source."""
        query = (
            sa.select(documents.c.source, versions.c.content_sha256)
            .join(versions, versions.c.id == documents.c.live_version_id)
            .where(documents.c.collection == self.collection)
        )
        return {row.source: row.content_sha256 for row in self.rig.rows(query)}

    def wanted(self) -> dict[str, str]:
        """Expected searchable documents."""
        from hashlib import sha256

        return {source: sha256(text.encode()).hexdigest() for source, text in self.names().items() if text}

    def in_step(self) -> bool:
        """Whether folder and catalog are equal and nothing is under way."""
        busy = sa.select(sa.func.count()).select_from(attempts).where(attempts.c.state.in_(ACTIVE))
        labels = sa.select(sa.func.count()).select_from(documents).where(documents.c.moved_at.is_not(None))
        return self.searchable() == self.wanted() and self.rig.scalar(busy) == 0 and self.rig.scalar(labels) == 0

    def await_step(self, seconds: float = 60.0) -> None:
        """Wait until folder and catalog are equal."""
        assert eventually(self.in_step, seconds, 0.1), self.describe()

    def await_removal(self, seconds: float = 60.0) -> None:
        """Wait until nothing can be revived any more."""
        waiting = sa.select(sa.func.count()).select_from(documents).where(documents.c.undo_until.is_not(None))
        assert eventually(lambda: self.rig.scalar(waiting) == 0, seconds, 0.1)

    def describe(self) -> str:
        """Differences between folder and catalog."""
        have, want = self.searchable(), self.wanted()
        lacking = {name for name, content in want.items() if have.get(name) != content}
        log = self.rig.settings.data_dir / "logs" / "watch.log"
        tail = log.read_text("utf-8").splitlines()[-15:] if log.exists() else []
        names = [*lacking, *(have.keys() - want.keys())]
        runs = sa.select(attempts, versions.c.content_sha256).join(documents, documents.c.id == attempts.c.document_id)
        runs = runs.join(versions, versions.c.id == attempts.c.version_id).where(documents.c.source.in_(names))
        for query in (
            *(sa.select(table).where(table.c.source.in_(names)) for table in (documents, seen, failures)),
            runs,
        ):
            tail += [str(dict(row._mapping)) for row in self.rig.rows(query)]
        return json.dumps(
            {"lacking": sorted(lacking), "too many": sorted(have.keys() - want.keys()), "log": tail}, indent=1
        )

    def assert_exact(self) -> None:
        """The points readers can find are exactly those of the files, each under its file's name."""
        store, index = self.rig.services.store, f"{self.collection}~1"
        rows = self.rig.rows(
            sa.select(documents.c.id, documents.c.source, versions.c.id.label("version"), versions.c.chunks)
            .join(versions, versions.c.id == documents.c.live_version_id)
            .where(documents.c.collection == self.collection)
        )
        total = 0
        for row in rows:
            payloads = store.read(index, Filter(document_ids=(row.id,), version_ids=(row.version,)), 1000)
            assert len(payloads) == row.chunks
            assert {payload["source"] for payload in payloads} == {row.source}
            assert {payload["metadata"]["source"] for payload in payloads} == {row.source}
            assert {payload["live"] for payload in payloads} == {True}
            total += row.chunks
        waiting = sa.select(documents.c.id).where(
            documents.c.collection == self.collection, documents.c.undo_until.is_not(None)
        )
        kept = tuple(row.id for row in self.rig.rows(waiting))
        revivable = store.count(index, Filter(document_ids=kept, live=True)) if kept else 0
        assert store.count(index, Filter(live=True)) == total + revivable
        there = sa.select(seen.c.source).where(seen.c.gone_at.is_(None), seen.c.collection == self.collection)
        assert {row.source for row in self.rig.rows(there)} == set(self.names())

    def assert_tags(self, folder: WatchFolder) -> None:
        """Every document that readers see has the tags that the folder's rules say; catalog and points agree."""
        query = sa.select(documents.c.id, documents.c.source, documents.c.tags)
        rows = self.rig.rows(
            query.where(documents.c.collection == self.collection, documents.c.live_version_id.is_not(None))
        )
        for row in rows:
            below = Path(row.source).parent.relative_to(self.root).as_posix()
            payloads = self.rig.services.store.read(
                f"{self.collection}~1", Filter(document_ids=(row.id,), live=True), 1000
            )
            tag_lists = [
                row.tags,
                *(payload["tags"] for payload in payloads),
                *(payload["metadata"]["tags"] for payload in payloads),
            ]
            assert tag_lists == [list(folder.tags_of("" if below == "." else below) or ())] * len(tag_lists), row.source

    def embedded(self) -> int:
        """Number of texts that the embedding worker logged as embedded; cached vectors do not count."""
        return sum(line["embedded"] for line in self.rig.logged("stage.done") if "embedded" in line)

    def texts_known(self) -> int:
        """Number of different texts with stored vectors."""
        with self.rig.services.cache.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(vectors)) or 0

    def extracted(self) -> int:
        """Number of attempts."""
        return int(self.rig.scalar(sa.select(sa.func.count()).select_from(attempts)))

    def search_names(self, words: str) -> set[str]:
        """Sources that a search by words finds, relative to the folder."""
        hits = search(self.rig.services, words, self.collection, mode="sparse", limit=100).hits
        return {str(Path(hit.source).relative_to(self.root)) for hit in hits}


@contextmanager
def mirrored(rig: FlowRig, root: Path, **settings: Any) -> Iterator[MirrorRig]:
    """A watcher that runs, has caught up, and ends with the block."""
    root.mkdir(exist_ok=True)
    mirror = MirrorRig(rig, root, **settings)
    mirror.start()
    try:
        yield mirror
    finally:
        mirror.kill()


class InProcessMirror(MirrorRig):
    """A mirror in this process, which scans when the test calls it."""

    def __init__(self, rig: FlowRig, root: Path, folder: WatchFolder, **settings: Any) -> None:
        super().__init__(rig, root)
        self.collection = f"c-{root.parent.name}"[-60:].replace("[", "-").replace("]", "-")
        chosen = {"collection": self.collection, "watch_settle_ms": REST_MS, "watch_max_gone": 0.25, **settings}
        self.services = Services(rig.settings.model_copy(update=chosen))
        self.folder = folder
        self.mirror = Mirror(self.services, folder)

    def with_settle(self, milliseconds: int) -> InProcessMirror:
        """Another mirror of the same folder, for which files have to rest longer."""
        return InProcessMirror(self.rig, self.root, self.folder, watch_settle_ms=milliseconds)

    def sync_to_end(self) -> None:
        """Scan until nothing is left to do, and wait for the work, successful or not."""
        while (wait := self.mirror.sync()) is not None:
            time.sleep(wait)
        busy = sa.select(sa.func.count()).select_from(attempts).where(attempts.c.state.in_(ACTIVE))
        assert eventually(lambda: self.rig.scalar(busy) == 0)

    def sync_and_check(self) -> None:
        """Scan until nothing is left to do, and check that folder and catalog are equal."""
        self.sync_to_end()
        if self.mirror.hold is None:
            self.await_step()

    def sync_after_restart(self) -> None:
        """Do this with a new mirror that remembers nothing, as after a crash."""
        self.mirror = Mirror(self.services, self.folder)
        self.mirror.load()
        self.sync_and_check()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.root / f"{name}.txt").write_text(text)

    def document(self, name: str) -> str:
        query = sa.select(documents.c.id).where(
            documents.c.source == str(self.root / name), documents.c.deleted_at.is_(None)
        )
        return str(self.rig.scalar(query))

    def codes(self) -> dict[str, str]:
        query = sa.select(failures.c.source, failures.c.code).where(failures.c.collection == self.collection)
        return {Path(source).name: code for source, code in self.rig.rows(query)}


@contextmanager
def watching(services: Services, *folders: WatchFolder) -> Iterator[list[str]]:
    """Run a watcher in this process. Yields the lines that it prints."""
    ended, said = threading.Event(), list[str]()
    thread = threading.Thread(target=watch_all, args=(services, folders, ended, said.append))
    thread.start()
    try:
        yield said
    finally:
        ended.set()
        thread.join()
