"""Durability: commits and uploads are flushed to the disk before they are acknowledged."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from pipeline.catalog.database.connection import make_durable, open_catalog, sqlite_url, writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.database.schema import counters, jobs
from pipeline.ingest.request import Request
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.uploads import Draft, submit_uploads
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import Kept, LocalSpool
from pipeline.spool.flusher import Flusher


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were flushed to the disk, in order."""
    paths: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        paths.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr("pipeline.catalog.database.connection.DATASYNC", note)
    return paths


def test_a_durable_commit_is_on_the_disk_when_it_returns(tmp_path: Path, flushed: list[str]) -> None:
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
        with writing(catalog, durable=False) as connection:
            connection.execute(counters.update().values(value=2))
        with writing(catalog) as connection:
            connection.execute(sa.select(counters)).all()
        assert len(flushed) == 1
        with writing(catalog, durable=False) as connection:
            connection.execute(counters.update().values(value=3))
            make_durable(connection)
        with writing(catalog, durable=False) as connection:
            connection.execute(counters.update().values(value=4))
        assert len(flushed) == 2
        catalog.dispose()


def test_the_log_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread writes, then two; each may move the log into the database while the other writes."""
    monkeypatch.setattr("pipeline.catalog.database.connection.CHECKPOINT_EVERY", 7)
    monkeypatch.setattr("pipeline.catalog.database.connection.LONG_LOG", 50)
    catalog = open_catalog(sqlite_url(tmp_path))

    def write(name: str) -> None:
        for number in range(200):
            with writing(catalog, durable=False) as connection:
                connection.execute(counters.insert().values(name=f"{name}{number}" + "x" * 4000, value=1))

    write("a")
    threads = [threading.Thread(target=write, args=(name,)) for name in "bc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pages = (tmp_path / "catalog.db-wal").stat().st_size >> 12
    catalog.dispose()
    # Some 4,000 pages were written in all; a thread does not move the log while another thread moves it.
    assert pages < 2000


def test_a_moved_log_leaves_no_statement_in_progress_on_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next user of the connection may be another thread, whose commit SQLite would refuse."""
    monkeypatch.setattr("pipeline.catalog.database.connection.CHECKPOINT_EVERY", 1)
    monkeypatch.setattr("pipeline.catalog.database.connection.LONG_LOG", 0)
    catalog = open_catalog(sqlite_url(tmp_path))
    refused: list[sqlite3.Error] = []
    returned: list[int] = []

    def commit(raw: sqlite3.Connection, _record: object) -> None:
        returned.append(id(raw))
        raw.execute("BEGIN IMMEDIATE")
        raw.execute("INSERT INTO counters (name, value) VALUES (?, 1)", (f"returned{len(returned)}",))
        try:
            raw.execute("COMMIT")
        except sqlite3.Error as error:
            refused.append(error)

    sa.event.listen(catalog, "checkin", commit)
    with writing(catalog) as connection:
        connection.execute(counters.insert().values(name="a", value=1))
    sa.event.remove(catalog, "checkin", commit)
    catalog.dispose()
    assert len(returned) == 2  # by the transaction, and by the move of the log
    assert refused == []


def test_a_log_that_cannot_be_moved_does_not_fail_the_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.catalog.database.connection.CHECKPOINT_EVERY", 1)
    monkeypatch.setattr("pipeline.catalog.database.connection.CHECKPOINT", "PRAGMA wal_checkpoint(")
    catalog = open_catalog(sqlite_url(tmp_path))
    with structlog.testing.capture_logs() as logged, writing(catalog) as connection:
        connection.execute(counters.insert().values(name="a", value=1))
    with catalog.connect() as connection:
        assert connection.scalar(sa.select(counters.c.value)) == 1
    catalog.dispose()
    assert [line["event"] for line in logged] == ["catalog.log_not_moved"]


def test_the_log_is_moved_into_the_database_with_a_flush(tmp_path: Path) -> None:
    catalog = open_catalog(sqlite_url(tmp_path))
    with catalog.connect() as connection:
        names = ("journal_mode", "synchronous")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]
    catalog.dispose()
    # 1 is NORMAL: SQLite flushes at each checkpoint, and commits are flushed by us.
    assert values == ["wal", 1]


def test_a_new_database_that_another_process_is_writing_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself refuses the WAL mode at once then, whatever its timeout."""
    writer = sqlite3.connect(tmp_path / "catalog.db", isolation_level=None, check_same_thread=False)
    writer.execute("CREATE TABLE others (id)")
    writer.execute("BEGIN IMMEDIATE")
    with (
        pytest.raises(sqlite3.OperationalError, match="locked"),
        closing(sqlite3.connect(tmp_path / "catalog.db")) as raw,
    ):
        raw.execute("PRAGMA journal_mode=WAL")
    end = threading.Timer(0.5, writer.execute, ("COMMIT",))
    end.start()
    catalog = open_catalog(sqlite_url(tmp_path))
    with catalog.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert sa.inspect(connection).has_table("others")
    catalog.dispose()
    end.join()
    writer.close()


def test_a_second_upload_of_the_same_content_is_flushed_itself(tmp_path: Path, flushed: list[str]) -> None:
    """It arrives while the first upload is still being flushed, and when the copy of the first is no longer needed."""
    spool, drafts = LocalSpool(tmp_path / "spool"), [tmp_path / name for name in ("one", "two", "three")]
    for draft in drafts:
        draft.write_bytes(b"the same")
    key, kept = "originals/ab/abc.txt", tmp_path / "spool/originals/ab/abc.txt"
    spool.secure(key, drafts[0])()
    assert flushed == [str(drafts[0]), str(kept.parent)]
    assert kept.samefile(drafts[0])
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


def test_a_draft_is_flushed_though_its_key_is_deleted_first(tmp_path: Path, flushed: list[str]) -> None:
    draft = tmp_path / "one"
    draft.write_bytes(b"the same")
    beginning = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        spool = LocalSpool(tmp_path / "spool", Flusher(pool))
        pool.submit(beginning.wait)
        wait = spool.secure("originals/ab/abc.txt", draft)
        spool.delete("originals/ab/abc.txt")
        beginning.set()
        wait()
    assert flushed == [str(draft), str(tmp_path / "spool/originals/ab")]


# Uploads


def submit(services: Services, kept: Kept | None = None, drafts: list[Path] | None = None) -> dict[str, Any]:
    draft = Draft(services)
    draft.write(b"some text")
    upload = draft.finish("upload://a.txt")
    if drafts is not None:
        drafts.append(upload.draft)
    upload = upload if kept is None else replace(upload, kept=kept)
    return submit_uploads(services, GroupWriter(services.catalog), Request(()), [upload], SubmitOptions())


def jobs_of(services: Services) -> int:
    with services.catalog.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(jobs)) or 0


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"))
    yield services
    services.catalog.dispose()


def test_an_upload_that_cannot_be_flushed_creates_no_job(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def fail(descriptor: int) -> None:
        if "spool" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output"):
            submit(services)
        assert jobs_of(services) == 0
    submit(services)
    assert jobs_of(services) == 1


def test_the_catalog_can_be_written_while_an_upload_waits_for_a_slow_disk(services: Services) -> None:
    waited: list[float | None] = []
    drafts: list[Path] = []

    def kept(timeout: float | None = None, /) -> None:
        waited.append(timeout)
        # A route looks at the file, and it may have to be copied again.
        assert drafts[0].exists()
        assert jobs_of(services) == 0
        with writing(services.catalog) as connection:
            connection.execute(counters.insert().values(name="other", value=len(waited)))

    answer = submit(services, kept, drafts)
    assert waited == [None]
    assert [document["state"] for document in answer["documents"]] == ["queued"]
    assert jobs_of(services) == 1
    assert not drafts[0].exists()
