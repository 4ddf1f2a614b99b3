"""The embedded store: one owner, no acknowledged point is lost, and half-made collections do no harm."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from uuid import UUID

import pytest
from qdrant_edge import EdgeShard, UpdateOperation
from stores import INDEXES

from embeddings.base import Fingerprint
from pipeline.errors import StackUnavailable, StoreDamaged
from pipeline.vectorstore import Filter, Point, Query, SparseVector
from pipeline.vectorstore import edge as edge_module
from pipeline.vectorstore.edge import EdgeStore

SPACE = Fingerprint("test/tiny", "1", "float", "mean", True, "", "", 4)

WRITER = """
import sys
from pathlib import Path
from uuid import UUID
from embeddings.base import Fingerprint
from pipeline.vectorstore import Point, SparseVector
from pipeline.vectorstore.edge import EdgeStore
store = EdgeStore(Path(sys.argv[1]))
store.ensure("c", Fingerprint("test/tiny", "1", "float", "mean", True, "", "", 4))
for first in range(0, 10_000_000, 50):
    batch = [Point(str(UUID(int=n + 1)), [1.0, n, 0.0, 0.0], SparseVector([n % 9], [1.0]), {"n": n, "live": False})
             for n in range(first, first + 50)]
    store.upsert("c", batch)
    print(first + 50, flush=True)
"""

OPENER = """
import sys
from pathlib import Path
from pipeline.errors import StackUnavailable, StoreDamaged
from pipeline.vectorstore.edge import EdgeStore
try:
    EdgeStore(Path(sys.argv[1])).collections()
except StackUnavailable as error:
    print(error.message)
"""


def points(count: int, **payload: object) -> list[Point]:
    empty = SparseVector([], [])
    return [Point(str(UUID(int=n + 1)), [1.0, float(n), 0.0, 0.0], empty, {"n": n, **payload}) for n in range(count)]


def test_stored_points_are_there_after_reopening(tmp_path: Path) -> None:
    store = EdgeStore(tmp_path)
    store.ensure("c", SPACE)
    store.upsert("c", points(30, live=True))
    store.set_payload("c", {"live": False}, Filter())
    store.close()
    store.close()

    for again in (store, EdgeStore(tmp_path)):
        assert again.collections() == {"c": SPACE}
        assert again.count("c", Filter(live=False)) == 30
        again.close()


def test_filtered_fields_have_an_index_in_the_embedded_store(tmp_path: Path) -> None:
    store = EdgeStore(tmp_path)
    store.ensure("c", SPACE)
    store.close()

    shard = EdgeShard.load(str(tmp_path / "c" / "shard"))
    schema = {field: str(index.data_type) for field, index in shard.info().payload_schema.items()}
    shard.close()
    # Edge filters on the number that stands beside the flag.
    wanted = {field: kind for field, kind in INDEXES.items() if field != "live"} | {"_live": "integer"}
    assert schema == {field: f"PayloadSchemaType.{kind.capitalize()}" for field, kind in wanted.items()}


def test_an_index_that_a_former_version_did_not_make_is_made_when_the_collection_is_opened(tmp_path: Path) -> None:
    store = EdgeStore(tmp_path)
    store.ensure("c", SPACE)
    store.upsert("c", points(30, metadata_values=["shelf=12"]))
    store.close()
    shard = EdgeShard.load(str(tmp_path / "c" / "shard"))
    shard.update(UpdateOperation.delete_field_index("metadata_values"))
    assert "metadata_values" not in shard.info().payload_schema
    shard.flush()
    shard.close()

    assert store.count("c", Filter(metadata={"shelf": 12})) == 30
    store.close()
    shard = EdgeShard.load(str(tmp_path / "c" / "shard"))
    assert shard.info().payload_schema["metadata_values"].points == 30
    shard.close()


def test_every_acknowledged_point_survives_sigkill(tmp_path: Path) -> None:
    acknowledged = 0
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        # Past the first flush by itself, so that both the log and what is flushed are needed.
        while acknowledged < edge_module.MAINTAIN_EVERY + 1000:
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    assert writer.returncode == -signal.SIGKILL

    store = EdgeStore(tmp_path)
    numbers = {UUID(point_id).int - 1 for point_id in store.ids("c", Filter())}
    assert numbers >= set(range(acknowledged))
    assert store.count("c", Filter(live=False)) == len(numbers)
    [hit] = store.search("c", Query("dense", 1, [1.0, 0.0, 0.0, 0.0]))
    assert hit.payload == {"n": 0, "live": False}
    store.upsert("c", points(1, live=True))
    assert store.count("c", Filter(live=True)) == 1
    store.close()


def test_a_second_opener_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    store = EdgeStore(tmp_path)
    assert list(tmp_path.iterdir()) == []
    store.ensure("c", SPACE)

    other = subprocess.run([sys.executable, "-c", OPENER, str(tmp_path)], capture_output=True, text=True, check=True)
    assert f"in use by process {os.getpid()}" in other.stdout
    with pytest.raises(StackUnavailable, match="one owner"):
        EdgeStore(tmp_path).count("c", Filter())

    store.close()
    after = subprocess.run([sys.executable, "-c", OPENER, str(tmp_path)], capture_output=True, text=True, check=True)
    assert after.stdout == ""


def test_a_forked_child_may_not_use_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EdgeStore(tmp_path)
    store.ensure("c", SPACE)

    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(StackUnavailable, match="forked"):
            store.count("c", Filter())
    store.close()


def crash_after_fingerprint(folder: Path) -> None:
    (folder / "c").mkdir()
    (folder / "c" / "space.json").write_text(json.dumps(asdict(replace(SPACE, dim=99))))


def crash_in_shard(folder: Path) -> None:
    crash_after_fingerprint(folder)
    (folder / "c" / "shard.new" / "segments").mkdir(parents=True)
    (folder / "c" / "shard.new" / "edge_config.json").write_text("{")


def crash_in_fingerprint(folder: Path) -> None:
    (folder / "c").mkdir()
    (folder / "c" / "space.new").write_text('{"model": "te')


@pytest.mark.parametrize("crash", [crash_after_fingerprint, crash_in_shard, crash_in_fingerprint])
def test_a_half_made_collection_is_ignored_and_can_be_created(tmp_path: Path, crash: Callable[[Path], None]) -> None:
    crash(tmp_path)
    store = EdgeStore(tmp_path)

    assert store.collections() == {}
    assert store.count("c", Filter()) == 0
    store.ensure("c", SPACE)
    store.upsert("c", points(3))
    assert store.collections() == {"c": SPACE}
    assert store.count("c", Filter()) == 3
    store.close()


def test_a_crash_before_the_rename_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(*_: object) -> None:
        raise OSError("power cut")

    store = EdgeStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", power_cut)
        with pytest.raises(OSError, match="power cut"):
            store.ensure("c", SPACE)

    assert (tmp_path / "c" / "space.json").is_file()
    assert store.collections() == {}
    store.ensure("c", SPACE)
    assert store.collections() == {"c": SPACE}
    store.close()


def test_a_collection_that_was_being_dropped_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EdgeStore(tmp_path)
    store.ensure("c", SPACE)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        store.drop("c")
    store.close()
    [leftover] = [path.name for path in tmp_path.iterdir() if path.is_dir()]
    assert leftover.startswith(".dropped-")

    assert store.collections() == {}
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    store.close()


def test_a_store_is_searched_while_another_thread_writes(tmp_path: Path) -> None:
    store = EdgeStore(tmp_path)
    store.ensure("c", SPACE)
    store.upsert("c", points(1))
    stop = threading.Event()
    seen: list[int] = []
    wrong: list[BaseException] = []

    def search() -> None:
        try:
            while not stop.is_set():
                hits = store.search("c", Query("dense", 5, [1.0, 0.0, 0.0, 0.0], where=Filter(sources=("*",))))
                seen.append(len(hits) + store.count("c", Filter()))
        except BaseException as error:
            wrong.append(error)

    searchers = [threading.Thread(target=search) for _ in range(3)]
    for thread in searchers:
        thread.start()
    for first in range(0, 3000, 100):
        store.upsert("c", points(first + 100, source="file:///a.txt")[first:])
        store.maintain()
    stop.set()
    for thread in searchers:
        thread.join()

    assert wrong == []
    assert seen
    assert store.count("c", Filter()) == 3000
    store.close()


def test_maintenance_frees_disk_space_and_keeps_the_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_module, "MAINTAIN_EVERY", 10**9)
    store = EdgeStore(tmp_path)
    store.ensure("c", SPACE)
    store.upsert("c", points(6000, text="x" * 2000, document_id="a")[:4000])
    store.upsert("c", points(6000, text="y" * 2000, document_id="b")[4000:])
    store.delete("c", Filter(document_ids=("a",)))
    full = size(tmp_path / "c" / "shard" / "segments")

    store.maintain()

    assert size(tmp_path / "c" / "shard" / "segments") < full
    assert store.count("c", Filter()) == 2000
    [hit] = store.search("c", Query("dense", 1, [1.0, 4000.0, 0.0, 0.0], where=Filter(document_ids=("b",))))
    assert hit.payload["text"] == "y" * 2000
    store.close()


def size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "name", ["c/space.json", "c/shard/edge_config.json", "c/shard/wal/first-index", "version.info", "status.dat"]
)
def test_a_collection_that_cannot_be_opened_is_named_and_set_aside(tmp_path: Path, name: str) -> None:
    """One file of it is cut to its half, as a full disk or a broken copy leaves it."""
    store = EdgeStore(tmp_path)
    for collection in ("c", "other"):
        store.ensure(collection, SPACE)
        store.upsert(collection, points(20))
    store.close()
    cut = next(path for path in sorted((tmp_path / "c").rglob("*")) if str(path).endswith(name))
    os.truncate(cut, cut.stat().st_size // 2)
    with pytest.raises(StoreDamaged, match="The vectors of c in") as raised:
        store.count("c", Filter())
    assert "docrelay verify --repair" in raised.value.hint
    assert store.count("other", Filter()) == 20
    kept = store.set_aside("c")
    assert kept is not None
    assert (Path(kept) / "shard").is_dir()
    assert store.count("c", Filter()) == 0
    store.ensure("c", SPACE)
    store.upsert("c", points(3))
    assert list(store.collections()) == ["c", "other"]
    store.close()
    assert store.count("c", Filter()) == 3  # opened again
    assert (Path(kept) / "shard").is_dir()
    store.close()
