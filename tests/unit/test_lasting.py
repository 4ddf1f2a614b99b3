"""What is committed lasts: SQLite's log is written out, wherever links have put it, where something was written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.engine import open_catalog, sqlite_url, writing
from pipeline.catalog.schema import counters


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were flushed to the disk, in order."""
    found: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        found.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
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
