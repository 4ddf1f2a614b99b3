"""The folder of an embedded store: one shard of Qdrant Edge per collection, owned by one process.

    lock                      held while the store is open, with the owner's process id
    aliases.json              other names of collections
    <collection>/space.json   the fingerprint, written before the shard
    <collection>/shard.new    a shard that is being made
    <collection>/shard        the shard; the rename to this name is what creates the collection
    .dropped-*                a collection that is being removed
    .damaged-*                a collection that could not be opened, kept when it was made anew

After a crash between any two steps the collection exists or does not exist. Leftovers are removed when the folder is
opened or the collection is created the next time.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    Modifier,
    PayloadSchemaType,
    UpdateOperation,
)

from embeddings.base import Fingerprint
from pipeline.errors import StackUnavailable, StoreDamaged
from pipeline.vectorstore.conditions import INDEXED

__all__ = ["LIVE", "Collection", "ShardFolder", "translate_engine_errors"]

LIVE = "_live"
"""A copy of `live` as 0 or 1: Edge 0.9 reads a boolean to match as an integer and then matches nothing."""

DROPPED = ".dropped-"
DAMAGED = ".damaged-"

PASSING = ("os error 28", "os error 24", "os error 12", "os error 13", "Resource temporarily unavailable")
"""Parts of the engine's messages for a full disk, too many open files, no memory, no permission: nothing is damaged."""

HNSW_FROM_KB = 1_000_000
"""Vectors are scanned exactly below a gigabyte (9 ms for 100,000 of 384). Building the graph holds the interpreter
lock: 20,000 points freeze the whole process for 7 s."""


@dataclass(frozen=True, slots=True)
class Collection:
    """An open shard and the space of its vectors."""

    shard: EdgeShard
    space: Fingerprint


class ShardFolder:
    """Opens, creates and drops collections; not thread-safe by itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: IO[str] | None = None
        self._owner = 0
        self._open: dict[str, Collection] = {}
        self._aliases: dict[str, str] | None = None

    def names(self) -> list[str]:
        """Return the names of the collections that exist."""
        self._acquire()
        return sorted(shard.parent.name for shard in self._path.glob("[!.]*/shard"))

    def get(self, name: str) -> Collection | None:
        """Return a collection by its name or an alias, opened if necessary; None if it does not exist."""
        self._acquire()
        name = self.aliases().get(name, name)
        folder = self._path / name
        if name not in self._open and (folder / "shard").is_dir():
            self._open[name] = _load(folder)
        return self._open.get(name)

    def create(self, name: str, space: Fingerprint) -> None:
        """Create an empty collection."""
        self._acquire()
        folder = self._path / name
        folder.mkdir(exist_ok=True)
        _write(folder / "space.json", json.dumps(asdict(space), indent=2))
        shutil.rmtree(folder / "shard.new", ignore_errors=True)
        _make_shard(folder / "shard.new", space.dim)
        (folder / "shard.new").rename(folder / "shard")
        _sync(folder)
        _sync(self._path)

    def drop(self, name: str) -> None:
        """Remove a collection, if it exists."""
        self._acquire()
        if collection := self._open.pop(name, None):
            collection.shard.close()
        if (self._path / name).is_dir():
            gone = (self._path / name).rename(self._path / f"{DROPPED}{uuid4().hex}")
            _sync(self._path)
            shutil.rmtree(gone, ignore_errors=True)

    def set_aside(self, name: str) -> Path:
        """Rename the folder of a collection that cannot be opened; returns the new one. Aliases stay."""
        self._acquire()
        folder = self._path / self.aliases().get(name, name)
        if collection := self._open.pop(folder.name, None):
            with suppress(StoreDamaged, StackUnavailable), translate_engine_errors():
                collection.shard.close()
        kept = folder.rename(self._path / f"{DAMAGED}{folder.name}-{uuid4().hex[:8]}")
        _sync(self._path)
        return kept

    def aliases(self) -> dict[str, str]:
        """Every alias and the collection that it stands for."""
        self._acquire()
        if self._aliases is None:
            path = self._path / "aliases.json"
            self._aliases = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return dict(self._aliases or {})

    def set_alias(self, alias: str, name: str) -> None:
        """Set another name of a collection."""
        known = {**self.aliases(), alias: name}
        _write(self._path / "aliases.json", json.dumps(known, indent=2))
        self._aliases = known

    def opened(self) -> list[EdgeShard]:
        """The shards that are open now."""
        return [collection.shard for collection in self._open.values()]

    def close(self) -> None:
        """Flush and close every shard, and let another process in."""
        while self._open:
            _, collection = self._open.popitem()
            collection.shard.flush()
            collection.shard.close()
        self._aliases = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def _acquire(self) -> None:
        """Lock the folder for this process; the lock ends with the process, even if it is killed."""
        if self._lock:
            self._check_process()
            return
        self._path.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._path / "lock")
        self._owner = os.getpid()
        for leftover in self._path.glob(f"{DROPPED}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _check_process(self) -> None:
        if os.getpid() != self._owner:
            raise StackUnavailable("The vector store was opened before this process was forked off.")


@contextmanager
def translate_engine_errors() -> Iterator[None]:
    """Turn errors of the engine into `StackUnavailable`.

    Edge raises bare `Exception`: errors of exactly that type are its own, all others pass. Where its files hold what
    they cannot hold it panics, which is no `Exception` at all.

    Raises:
        StoreDamaged: it panicked.
        StackUnavailable: any other error of its own.
    """
    try:
        yield
    except BaseException as error:
        if _is_panic(error):
            raise StoreDamaged(f"The files of the vector store are damaged: {error}") from error
        if type(error) is not Exception:
            raise
        raise StackUnavailable(f"The vector store failed: {error}") from error


def _is_panic(error: BaseException) -> bool:
    return type(error).__name__ == "PanicException"  # pyo3 has no name for it that can be imported


def _load(folder: Path) -> Collection:
    """Open a collection.

    Raises:
        StoreDamaged: its files cannot be read as what they must be.
    """
    try:
        space = Fingerprint(**json.loads((folder / "space.json").read_text("utf-8")))
        shard = EdgeShard.load(str(folder / "shard"))
        _add_indexes(shard)
        return Collection(shard, space)
    except BaseException as error:
        is_of_engine = type(error) is Exception and not any(sign in str(error) for sign in PASSING)
        if is_of_engine or _is_panic(error) or isinstance(error, (ValueError, TypeError, FileNotFoundError)):
            message = f"The vectors of {folder.name} in {folder.parent} are damaged and cannot be opened: {error}"
            raise StoreDamaged(message) from error
        raise


def _locked(path: Path) -> IO[str]:
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "?"
        file.close()
        raise StackUnavailable(
            f"The vectors in {path.parent} are in use by process {owner}: an embedded store has one owner.",
            "Use the stack that already runs on this data folder, or stop it.",
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _write(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_shard(path: Path, dim: int) -> None:
    config = EdgeConfig(
        vectors={"dense": EdgeVectorParams(dim, Distance.Cosine)},
        sparse_vectors={"sparse": EdgeSparseVectorParams(modifier=Modifier.Idf)},
        optimizers=EdgeOptimizersConfig(indexing_threshold=HNSW_FROM_KB),
        wal_enabled=True,
    )
    shard = EdgeShard.create(str(path), config)
    _add_indexes(shard)
    shard.flush()
    shard.close()


def _add_indexes(shard: EdgeShard) -> None:
    """Create the payload indexes that are missing; that of a field that came later takes 1 s per 100,000 points."""
    existing = shard.info().payload_schema
    for field, kind in _indexes().items():
        if field not in existing:
            shard.update(UpdateOperation.create_field_index(field, kind))


def _indexes() -> dict[str, Any]:
    kinds = {field: getattr(PayloadSchemaType, kind.capitalize()) for field, kind in INDEXED.items() if kind != "bool"}
    return {**kinds, LIVE: PayloadSchemaType.Integer}
