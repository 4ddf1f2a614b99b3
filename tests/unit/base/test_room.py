"""Room on the disk: when it is full, which errors say so, and waiting for it."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from small_disk import fill, small_disk

from extractors.errors import Corrupt
from pipeline.engine.room import pause_if_full, with_room
from pipeline.errors import DiskFull, StackUnavailable
from pipeline.results import disk_status
from pipeline.retries import needs_room
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.settings.room import LATER, check_room, full_disk, wait_for_room


def test_a_disk_is_full_below_the_setting(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        settings = Settings(data_dir=disk / "data", min_free_mb=4)
        assert full_disk(settings) is None
        check_room(settings)
        fill(disk / "filler", leave_bytes=3 << 20)
        with pytest.raises(DiskFull, match=f"disk full: {disk}/data .3 MB free"):
            check_room(settings)
        assert full_disk(settings, LATER) is None
        assert full_disk(settings.model_copy(update={"min_free_mb": 1})) is None
        status = disk_status(settings)
        assert status is not None
        assert (status.full, status.needed_bytes) == (True, 4 << 20)
        assert 2 << 20 < status.free_bytes <= 3 << 20


def test_the_spool_of_another_disk_counts(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        settings = Settings(data_dir=tmp_path / "data", spool_url=f"file://{disk}/spool", min_free_mb=4)
        state = full_disk(settings)
        assert state is not None
        assert state.path == f"{disk}/spool"


def test_errors_of_a_full_disk_are_recognised_while_it_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        settings = Settings(data_dir=disk, min_free_mb=1)
        with closing(sqlite3.connect(disk / "a.db")) as database:
            database.execute("CREATE TABLE t (x)")
            fill(disk / "filler")
            with pytest.raises(sqlite3.OperationalError) as raised:
                database.execute("INSERT INTO t VALUES (zeroblob(500000))")
        of_sqlite = sa.exc.OperationalError("INSERT", {}, raised.value)
        errors = [of_sqlite, OSError(errno.ENOSPC, "No space left on device"), DiskFull(), StackUnavailable("away")]
        assert [needs_room(settings, error) for error in errors] == [True] * 4
        assert not needs_room(settings, Corrupt())
        (disk / "filler").unlink()
        assert [needs_room(settings, error) for error in errors] == [False, False, True, False]
        assert needs_room(settings, OSError(errno.EDQUOT, "Disk quota exceeded"))


def test_what_finds_no_room_is_done_when_there_is_some(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        services = Services(Settings(data_dir=disk, min_free_mb=2))
        fill(disk / "filler")
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            (disk / "filler").unlink(missing_ok=True)

        with_room(services, lambda: (disk / "new").write_bytes(b"x" * 100_000), say)
        assert (disk / "new").stat().st_size == 100_000
        assert len(said) == 2
        assert said[0].startswith(f"disk full: {disk}")
        assert said[1] == "There is room on the disk again: work goes on."
        wait_for_room(services.settings, say=said.append)
        assert len(said) == 2


def test_other_errors_are_raised_at_once(tmp_path: Path) -> None:
    def fail() -> None:
        raise Corrupt

    with pytest.raises(Corrupt):
        with_room(Services(Settings(data_dir=tmp_path)), fail)


def test_early_stages_wait_sooner_than_those_that_end_what_was_begun(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        services = Services(Settings(data_dir=disk, min_free_mb=4, redis_url="redis://127.0.0.1:1/0"))
        fill(disk / "filler", leave_bytes=3 << 20)
        assert pause_if_full(services, "extract")
        assert not pause_if_full(services, "upsert")
        fill(disk / "more", leave_bytes=1 << 20)
        assert pause_if_full(services, "upsert")
