"""The spool behaves the same in a local folder and on a remote store (fsspec)."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from pipeline.spool import (
    LocalSpool,
    RemoteSpool,
    Spool,
    open_spool,
    original_key,
    read_json,
    write_json,
)
from pipeline.stages.vector_files import read_vectors, write_vectors

CLOCK_STEP_S = 0.02
"""The clock by which files get their times has steps, of up to this length."""


@pytest.fixture(params=["local", "file", "memory"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    urls = {"local": str(tmp_path / "spool"), "file": f"file://{tmp_path}/spool", "memory": f"memory://{uuid4().hex}"}
    spool = open_spool(urls[request.param], tmp_path)
    assert isinstance(spool, RemoteSpool if request.param == "memory" else LocalSpool)
    return spool


def test_without_a_url_the_spool_is_in_the_data_folder(tmp_path: Path) -> None:
    open_spool(None, tmp_path).write("a/b", b"x")
    assert (tmp_path / "spool" / "a" / "b").read_bytes() == b"x"


def test_written_keys_are_read_and_listed(spool: Spool) -> None:
    assert not spool.exists("batches/1/x")
    assert spool.names("batches") == []
    spool.write("batches/1/x", b"old")
    spool.write("batches/1/x", b"new")
    spool.write("batches/2/y", b"")
    assert spool.exists("batches/1/x")
    assert (spool.read("batches/1/x"), spool.read("batches/2/y")) == (b"new", b"")
    assert (spool.size("batches/1/x"), spool.size("batches/2/y")) == (3, 0)
    assert sorted(spool.names("batches")) == ["1", "2"]
    assert spool.names("batches/1") == ["x"]
    with spool.local("batches/1/x") as path:
        assert path.read_bytes() == b"new"


def test_reading_a_missing_key_raises_file_not_found(spool: Spool) -> None:
    with pytest.raises(FileNotFoundError):
        spool.read("none")
    with pytest.raises(FileNotFoundError):
        spool.size("none")
    with pytest.raises(FileNotFoundError), spool.local("none"):
        pass
    spool.delete("none")


def test_a_file_that_is_put_in_stays_where_it_was(spool: Spool, tmp_path: Path) -> None:
    path = tmp_path / "draft"
    path.write_bytes(b"all of it")
    key = original_key("ab" * 32, "/in/Letter.PDF")
    assert key == f"originals/ab/{'ab' * 32}.pdf"
    for _ in range(2):
        spool.put_file(key, path)
        assert spool.read(key) == path.read_bytes() == b"all of it"
    path.unlink()
    assert spool.read(key) == b"all of it"


def test_modified_at_is_the_time_of_the_last_write_below_a_key(spool: Spool) -> None:
    """For a prefix it is the time of the newest key below it."""
    began = time.time()
    spool.write("batches/1/x", b"")
    written = spool.modified_at("batches/1/x")
    assert began - CLOCK_STEP_S <= written <= time.time()
    assert spool.renew("batches/1/x")
    spool.write("batches/1/y", b"")
    assert spool.modified_at("batches/1") >= written
    assert not spool.renew("none")
    with pytest.raises(FileNotFoundError):
        spool.modified_at("none")


def test_delete_unchanged_keeps_a_key_that_was_rewritten(spool: Spool) -> None:
    spool.write("originals/ab/x", b"first")
    seen = spool.modified_at("originals/ab/x")
    time.sleep(CLOCK_STEP_S)
    spool.write("originals/ab/x", b"again")
    spool.delete_unchanged("originals/ab/x", seen)
    assert spool.read("originals/ab/x") == b"again"
    spool.delete_unchanged("originals/ab/x", spool.modified_at("originals/ab/x"))
    assert not spool.exists("originals/ab/x")
    spool.delete_unchanged("originals/ab/x", seen)


@pytest.mark.parametrize("is_written_again", [False, True])
def test_a_key_renewed_during_its_deletion_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_written_again: bool
) -> None:
    """The key is renewed after its time was compared, and before the file is removed."""
    spool, rename = LocalSpool(tmp_path), Path.rename
    key = "originals/ab/x"

    def renew_first(path: Path, target: Path) -> Path:
        assert spool.renew(key)
        rename(path, target)
        if is_written_again:
            spool.write(key, b"it")
        return target

    spool.write(key, b"it")
    seen = spool.modified_at(key)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", renew_first)
        spool.delete_unchanged(key, seen)
    assert spool.read(key) == b"it"
    assert list(spool.drafts.iterdir()) == []


def test_deleting_a_prefix_deletes_all_keys_below_it(spool: Spool) -> None:
    for key in ("batches/1/x", "batches/1/y", "batches/12/z"):
        spool.write(key, b"")
    spool.delete("batches/1")
    assert spool.names("batches") == ["12"]
    spool.delete("batches/12/z")
    assert not spool.exists("batches/12/z")


def test_json_and_vectors_are_read_back_unchanged(spool: Spool) -> None:
    data = {"text": "a\0b \N{GRINNING FACE} ä", "breaks": [[1, None]]}
    write_json(spool, "j", data)
    assert read_json(spool, "j") == data
    vectors = np.random.default_rng(1).random((3, 5), dtype=np.float32)
    write_vectors(spool, "v", vectors)
    assert (read_vectors(spool, "v") == vectors).all()


def test_a_reader_never_sees_half(spool: Spool) -> None:
    contents = {bytes([number]) * 200_000 for number in range(4)}
    spool.write("k", min(contents))
    seen: set[bytes] = set()

    def read() -> None:
        seen.update(spool.read("k") for _ in range(60))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(15):
        for content in contents:
            spool.write("k", content)
    reader.join()
    assert seen <= contents
