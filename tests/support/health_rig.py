"""Rig of the tests of health: every part of a stack as a process of its own that nothing starts again when it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import redis
from cli_rig import Cli, cli_on
from flow_tools import eventually, kill_all, repeated, write_documents
from postgres_server import free_port
from small_disk import fill, small_disk

from pipeline.engine.reconciler import LOCK
from pipeline.vectorstore.base import Filter

MB = 1 << 20
NEEDED_MB = 8
DISK_MB = 48
PYTHON = (sys.executable, "-m")
COMMANDS = {
    "extract": (*PYTHON, "pipeline.engine.worker", "extract", "--name", "extract"),
    "embed": (*PYTHON, "pipeline.engine.worker", "embed", "--name", "embed"),
    "store": (*PYTHON, "pipeline.engine.worker", "store", "--name", "store"),
    "beat": (*PYTHON, "pipeline.engine.worker", "beat", "--name", "beat"),
    "watch": (*PYTHON, "pipeline.watch", "--name", "watch"),
    "api": (*PYTHON, "pipeline.api", "--name", "api"),
}
"""The parts, Redis left out, in the order of their start."""


@contextmanager
def blocked_reconciler(connection: redis.Redis) -> Iterator[None]:
    """The lock of the reconciler is held, as by a worker that hangs."""
    try:
        with repeated(lambda: connection.set(LOCK, "held", ex=60), 1):
            yield
    finally:
        connection.delete(LOCK)


class HealthRig:
    """The parts of a stack, to be broken one at a time.

    Args:
        cli: its settings name the Redis, the spool on a small disk, and the watched folder.
        port: the port of Redis.
        spool: the folder on the small disk.
        watched: the folder that is watched.
    """

    def __init__(self, cli: Cli, port: int, spool: Path, watched: Path) -> None:
        self.cli, self.spool, self.watched = cli, spool, watched
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.port = port
        self.redis = redis.Redis(port=port, socket_timeout=60)
        self.key = ""

    # Starting and ending

    def start_all(self) -> None:
        """Start every part, and wait until the API answers."""
        self.start_redis()
        self.key = self.cli.run("keys", "create", "tests", "--scope", "read", "--json").json["key"]
        for name in COMMANDS:
            self.start(name)
        assert eventually(lambda: self.redis.get("docrelay:api")), self.running

    def start_redis(self) -> None:
        server = shutil.which("redis-server") or "redis-server"
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._spawn("redis", [server, *options])
        assert eventually(self._redis_answers)

    def start(self, name: str) -> None:
        self._spawn(name, list(COMMANDS[name]))

    def kill(self, name: str) -> None:
        """SIGKILL for a part and all that it has started."""
        process = self.running.pop(name)
        kill_all([*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)])
        process.wait()

    def pid(self, name: str) -> int:
        return self.running[name].pid

    def close(self) -> None:
        for process in self.running.values():
            process.send_signal(signal.SIGCONT)
        for name in list(self.running):
            self.kill(name)
        self.redis.close()

    # What is reported

    @property
    def url(self) -> str:
        return bytes(self.redis.get("docrelay:api") or b"").decode()

    def get(self, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.get(f"{self._url}{path}", headers=headers, timeout=60, **options)

    def report(self) -> dict[str, Any]:
        """The answer of GET /health; its `parts` by their names."""
        report: dict[str, Any] = self.get("/health", self.key).raise_for_status().json()
        return {**report, "parts": {part["name"]: part for part in report["parts"]}}

    def part(self, name: str) -> dict[str, Any]:
        part: dict[str, Any] = self.report()["parts"][name]
        return part

    def failed(self) -> set[str]:
        return {name for name, part in self.report()["parts"].items() if part["state"] == "failed"}

    def is_well(self) -> bool:
        return bool(self.report()["state"] == "ok")

    def rows(self, query: str) -> list[Any]:
        """Rows of the catalog, by raw SQL, opened to be read only."""
        path = f"file:{quote(str(self.cli.folder / 'catalog.db'))}?mode=ro"
        with closing(sqlite3.connect(path, timeout=60, uri=True)) as connection:
            return connection.execute(query).fetchall()

    def announce(self) -> None:
        """Remember where the API is: Redis cannot be asked while it is frozen."""
        self._url = self.url

    # Faults, each mended at the end of its block

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        os.kill(self.pid(name), signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid(name), signal.SIGCONT)

    @contextmanager
    def killed(self, name: str) -> Iterator[None]:
        self.kill(name)
        try:
            yield
        finally:
            self.start(name)

    @contextmanager
    def locked_catalog(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.cli.folder / "catalog.db", timeout=60, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        filler = self.spool.parent / "filler"
        fill(filler, MB)
        try:
            yield
        finally:
            filler.unlink()

    @contextmanager
    def removed_folder(self) -> Iterator[None]:
        away = self.watched.with_name("unmounted")
        self.watched.rename(away)
        try:
            yield
        finally:
            away.rename(self.watched)

    @contextmanager
    def lost_points(self) -> Iterator[None]:
        with self.cli.services() as services:
            (collection,) = services.store.collections()
            lost, _ = services.store.scroll(collection, Filter(live=True), 1)
            services.store.delete(collection, Filter(point_ids=tuple(point.id for point in lost)))
            try:
                yield
            finally:
                services.store.upsert(collection, lost)

    @contextmanager
    def blocked_reconciler(self) -> Iterator[None]:
        with blocked_reconciler(self.redis):
            yield

    @contextmanager
    def nearly_full_redis(self) -> Iterator[None]:
        """Redis has used 93 % of its memory, and has room for what the parts write: some megabytes."""
        self.redis.set("filler", b"x" * 100 * MB)
        self.redis.config_set("maxmemory", int(self.redis.info("memory")["used_memory"] / 0.93))
        try:
            yield
        finally:
            self.redis.config_set("maxmemory", 0)
            self.redis.delete("filler")

    def _redis_answers(self) -> bool:
        return bool(self.redis.ping())

    def _spawn(self, name: str, line: list[str]) -> None:
        with self.cli.folder.with_name(f"{name}.out").open("ab") as out:
            self.running[name] = subprocess.Popen(
                line, env=self.cli.environment, stdout=out, stderr=out, start_new_session=True
            )


@contextmanager
def health_rig(folder: Path) -> Iterator[HealthRig]:
    """A stack at rest, with one document, whose parts are all well."""
    watched, port = folder / "watched", free_port()
    write_documents(watched, 1)
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "disk", DISK_MB))
        settings = {
            "redis_url": f"redis://127.0.0.1:{port}/0",
            "spool_url": str(disk / "spool"),
            "min_free_mb": NEEDED_MB,
            "drift_check_s": 2.0,
            "watch": json.dumps([{"path": str(watched)}]),
            "watch_rescan_s": 2.0,
        }
        cli = stack.enter_context(cli_on(folder / "data", **settings))
        cli.folder.mkdir(mode=0o700)
        rig = HealthRig(cli, port, disk / "spool", watched)
        stack.callback(rig.close)
        rig.start_all()
        rig.announce()
        assert eventually(lambda: rig.part("drift")["measured"] and _has_document(rig)), rig.report()
        assert eventually(rig.is_well), rig.report()
        yield rig


def _has_document(rig: HealthRig) -> bool:
    return rig.rows("SELECT count(live_version_id) FROM documents") == [(1,)]


Fault = Callable[[HealthRig], Any]
