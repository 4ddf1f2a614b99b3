"""What is committed lasts, and what is acknowledged: it is written out before anybody is told."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.engine import open_catalog, sqlite_url, writing
from pipeline.catalog.schema import counters
from pipeline.spool import LocalSpool


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were flushed to the disk, in order."""
    found: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        found.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr("pipeline.catalog.engine.DATASYNC", note)
    return found


def test_a_lasting_commit_is_on_the_disk_when_it_returns(tmp_path: Path, flushed: list[str]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "catalog.db").touch()
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "catalog.db").symlink_to(tmp_path / "real" / "catalog.db")
    for folder in ("real", "link"):
        catalog = open_catalog(sqlite_url(tmp_path / folder))
        flushed.clear()
        with writing(catalog) as connection:
            connection.execute(counters.insert().values(name=folder, value=1))
        assert flushed == [str(tmp_path / "real" / "catalog.db-wal")]
        with writing(catalog, lasting=False) as connection:
            connection.execute(counters.update().values(value=2))
        with writing(catalog) as connection:
            connection.execute(sa.select(counters)).all()
        assert len(flushed) == 1
        catalog.dispose()


def test_the_log_is_moved_into_the_database_with_a_flush(tmp_path: Path) -> None:
    catalog = open_catalog(sqlite_url(tmp_path))
    with catalog.connect() as connection:
        names = ("journal_mode", "synchronous")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]
    catalog.dispose()
    # 1 is NORMAL: SQLite flushes at each checkpoint, and commits are flushed by us.
    assert found == ["wal", 1]


def test_the_second_upload_of_the_same_does_not_rely_on_the_first(tmp_path: Path, flushed: list[str]) -> None:
    """It comes while the first one is still being written out, and when that one's copy is not needed any more."""
    spool, drafts = LocalSpool(tmp_path / "spool"), [tmp_path / name for name in ("one", "two", "three")]
    for draft in drafts:
        draft.write_bytes(b"the same")
    key, kept = "originals/ab/abc.txt", tmp_path / "spool/originals/ab/abc.txt"
    spool.secure(key, drafts[0])()
    assert flushed == [str(kept), str(kept.parent)]
    flushed.clear()
    spool.secure(key, drafts[1])()
    assert flushed == [str(drafts[1]), str(kept), str(kept.parent)]

    ended = threading.Event()

    def remove() -> None:
        while not ended.is_set():
            kept.unlink(missing_ok=True)

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for _ in range(200):
            flushed.clear()
            spool.secure(key, drafts[2])()
            assert flushed[-1] == str(kept.parent)
    finally:
        ended.set()
        thread.join()
