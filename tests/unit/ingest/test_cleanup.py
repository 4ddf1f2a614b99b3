"""Clean-up of the spool: files are removed without a lock while intake may need them again; no needed file is lost."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flow_tools import eventually
from write_lock import guarded

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.database.schema import attempt_errors
from pipeline.catalog.documents import garbage, records
from pipeline.catalog.work import daily_metrics, failure_list
from pipeline.catalog.work.daily_metrics import Day
from pipeline.catalog.work.ended_since import count_failed
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.catalog.work.failures import Failure
from pipeline.errors.problem import Problem
from pipeline.ingest.cleanup import DAY_S, GUARD_S, LONGEST_LEDGER_S, clean_up, ledger_before, sweep
from pipeline.ingest.content import FileContent, read_content
from pipeline.ingest.delete import delete
from pipeline.ingest.expiry import sweep_until_cancelled
from pipeline.ingest.record import NotCopied, look_up_unchanged, put_originals, record
from pipeline.ingest.request import Request
from pipeline.ingest.submit import record_job
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.uploads import Draft, submit_uploads
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import Kept, LocalSpool, RemoteSpool, Spool, original_key
from pipeline.spool.remote import FRESH_S
from pipeline.stages.discard import discard

TEXT = b"The lighthouse keeper counts the ships."
SOURCE = "upload://letter.txt"
KEY = original_key(sha256(TEXT).hexdigest(), SOURCE)


class HeldSpool(LocalSpool):
    """A spool that calls a function just before it removes an unchanged file, or just after it received a file."""

    before_delete: Callable[[], object] | None = None
    after_secure: Callable[[], object] | None = None

    def delete_unchanged(self, key: str, modified_at: float) -> None:
        if self.before_delete is not None:
            act, self.before_delete = self.before_delete, None
            act()
        super().delete_unchanged(key, modified_at)

    def secure(self, key: str, path: Path) -> Kept:
        kept = super().secure(key, path)
        if self.after_secure is not None:
            act, self.after_secure = self.after_secure, None
            act()
        return kept


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"), owner=True)
    yield services
    if "store" in services.__dict__:
        services.store.close()
    services.catalog.dispose()


@pytest.fixture
def held(services: Services, tmp_path: Path) -> HeldSpool:
    spool = HeldSpool(tmp_path / "spool")
    services.__dict__["spool"] = spool
    return spool


def submit(services: Services, source: str = SOURCE) -> dict[str, Any]:
    draft = Draft(services)
    draft.write(TEXT)
    upload = draft.finish(source)
    return submit_uploads(services, GroupWriter(services.catalog), Request(()), [upload], SubmitOptions())


@pytest.fixture(params=["local", "memory"])
def either(request: pytest.FixtureRequest, services: Services) -> Services:
    """Services with a local spool, then with a remote spool."""
    if request.param == "local":
        return services
    settings = services.settings.model_copy(update={"spool_url": f"memory://{uuid4().hex}"})
    services.__dict__["settings"] = settings
    assert isinstance(services.spool, RemoteSpool)
    return services


def age(spool: Spool, key: str, seconds: float) -> None:
    moment = time.time() - seconds
    if isinstance(spool, RemoteSpool):
        spool.files.store[f"{spool.root}/{key}"].created = datetime.fromtimestamp(moment, UTC)
    else:
        assert isinstance(spool, LocalSpool)
        os.utime(spool.root / key, (moment, moment))
    assert spool.modified_at(key) == pytest.approx(moment)


def test_an_original_uploaded_during_the_sweep_is_kept(services: Services, held: HeldSpool) -> None:
    """The clean-up has read that no document needs the file, and is about to remove it."""
    held.write(KEY, TEXT)
    age(held, KEY, 2 * GUARD_S)
    held.before_delete = lambda: submit(services)
    sweep(services)
    assert held.before_delete is None
    assert held.read(KEY) == TEXT


@pytest.mark.parametrize("age_s", [0, 0.9 * FRESH_S, 1.1 * FRESH_S, 2 * GUARD_S])
def test_an_original_uploaded_again_is_not_discarded(either: Services, age_s: float) -> None:
    """A batch ends, and no document needs its original; the same content is uploaded before the original is removed."""
    either.spool.write(KEY, TEXT)
    age(either.spool, KEY, age_s)
    reads: list[set[str]] = []

    def unneeded(connection: Connection) -> set[str]:
        reads.append({KEY} - {original_key(*row) for row in garbage.needed_originals(connection)})
        if len(reads) == 2:
            submit(either, "upload://copy.txt")
        return reads[-1]

    discard(either, unneeded)
    if len(reads) < 2:  # it was kept before intake needed it
        submit(either, "upload://copy.txt")
    assert reads == [{KEY}] * len(reads)
    assert either.spool.read(KEY) == TEXT


def test_an_original_kept_at_the_delete_is_swept_later(either: Services) -> None:
    submit(either)
    delete(either, "documents", [SOURCE])
    # A store cannot set times: it would not show that intake is about to need it again.
    assert either.spool.exists(KEY) == isinstance(either.spool, RemoteSpool)
    sweep(either)
    assert either.spool.exists(KEY) == isinstance(either.spool, RemoteSpool)
    if either.spool.exists(KEY):
        age(either.spool, KEY, 1.1 * GUARD_S)
        sweep(either)
    assert not either.spool.exists(KEY)


def test_an_original_removed_before_the_commit_is_written_again(services: Services, held: HeldSpool) -> None:
    held.after_secure = lambda: held.delete(KEY)
    submit(services)
    assert held.read(KEY) == TEXT


def test_a_delete_does_not_take_what_another_document_just_began_to_need(services: Services, held: HeldSpool) -> None:
    submit(services)
    held.before_delete = lambda: submit(services, "upload://copy.txt")
    delete(services, "documents", [SOURCE])
    assert held.before_delete is None
    assert held.read(KEY) == TEXT


def test_a_delete_takes_the_file_at_once(services: Services, held: HeldSpool) -> None:
    submit(services)
    assert held.exists(KEY)
    delete(services, "documents", [SOURCE])
    assert not held.exists(KEY)


def test_young_and_needed_files_stay(services: Services, held: HeldSpool) -> None:
    submit(services)
    age(held, KEY, 2 * GUARD_S)
    other = original_key("ab" * 32, "/other.txt")
    held.write(other, b"intake is about to name it")
    sweep(services)
    assert held.exists(KEY)
    assert held.exists(other)
    age(held, other, 2 * GUARD_S)
    sweep(services)
    assert held.exists(KEY)
    assert not held.exists(other)


def test_artifacts_of_batches_that_are_unknown_stay_for_a_day(services: Services, held: HeldSpool) -> None:
    held.write("batches/unknown/text-1", b"a document that leaves its batch")
    sweep(services)
    assert held.exists("batches/unknown/text-1")
    age(held, "batches/unknown", 2 * DAY_S)
    sweep(services)
    assert not held.exists("batches/unknown")


def content_of(services: Services, folder: Path) -> FileContent:
    path = folder / "letter.txt"
    path.write_bytes(TEXT)
    return read_content(path, str(path), 1 << 20, services.drafts)


def test_a_document_is_recorded_only_after_its_copy_is_written(services: Services, tmp_path: Path) -> None:
    """If the process is killed after its commit, the file is already in the spool."""
    content = content_of(services, tmp_path)
    with writing(services.catalog) as connection:
        job = record_job(connection, services, Request([]), [content.file.size])
    with pytest.raises(NotCopied) as raised, writing(services.catalog) as connection:
        record(connection, services, job, [content], ())
    assert list(raised.value.contents) == [content]
    assert not services.spool.exists(content.key)
    assert look_up_unchanged(services, job, [content])[0] == [content]
    copied = put_originals(services.spool, [content])
    with writing(services.catalog) as connection:
        assert [result.state for result in record(connection, services, job, [content], copied)] == ["queued"]


def test_the_spool_is_not_used_with_the_write_lock_in_hand(services: Services, tmp_path: Path) -> None:
    spool = LocalSpool(tmp_path / "spool")
    services.__dict__["spool"] = spool
    with guarded(services) as guard:
        submit(services)
        spool.write("originals/ab/old.txt", b"")
        age(spool, "originals/ab/old.txt", 2 * GUARD_S)
        sweep(services)
        assert not spool.exists("originals/ab/old.txt")
        delete(services, "documents", [SOURCE])
        assert not spool.exists(KEY)
    assert guard.calls > 10


UPLOADER = """
import os, sys
from pathlib import Path
from pipeline.ingest.uploads import Draft
from pipeline.services import Services
from pipeline.settings import Settings
draft = Draft(Services(Settings(data_dir=Path(sys.argv[1]), embedding_model="hashing")))
draft.write(b"half of a file")
os.kill(os.getpid(), 9)
"""


def test_files_that_arrived_at_a_killed_process_go_and_those_of_a_living_one_stay(
    services: Services, tmp_path: Path
) -> None:
    mine = Draft(services)
    subprocess.run([sys.executable, "-c", UPLOADER, str(tmp_path)], check=False)
    folders = list((tmp_path / "tmp").glob("drafts-*/*"))
    assert len(folders) == 2
    sweep(services)
    assert [path.parent for path in (tmp_path / "tmp").glob("drafts-*/*")] == [services.drafts]
    mine.drop()


def killed_uploader(folder: Path) -> Path:
    """What a process that was killed during an upload has left."""
    before = set((folder / "tmp").glob("drafts-*/*"))
    subprocess.run([sys.executable, "-c", UPLOADER, str(folder)], check=False)
    (left,) = set((folder / "tmp").glob("drafts-*/*")) - before
    return left


def test_on_a_host_without_workers_the_next_process_removes_what_was_left(services: Services, tmp_path: Path) -> None:
    left = killed_uploader(tmp_path)
    assert list(services.drafts.iterdir()) == []
    assert not left.exists()


def test_an_api_removes_what_was_left_at_its_start_and_again_and_again(services: Services, tmp_path: Path) -> None:
    """Another process of its host may be killed at any time; what is under way stays."""
    mine = Draft(services)

    async def sweep_twice() -> None:
        left = [killed_uploader(tmp_path)]
        sweeping = asyncio.create_task(sweep_until_cancelled(services, every_s=0.05))
        assert await asyncio.to_thread(eventually, lambda: not left[-1].exists())
        left.append(await asyncio.to_thread(killed_uploader, tmp_path))
        assert await asyncio.to_thread(eventually, lambda: not left[-1].exists())
        sweeping.cancel()

    asyncio.run(sweep_twice())
    assert [path.parent for path in (tmp_path / "tmp").glob("drafts-*/*")] == [services.drafts]
    mine.drop()


def test_failures_of_a_week_are_counted_however_short_events_are_kept(services: Services) -> None:
    short = Services(services.settings.model_copy(update={"events_days": 1.0}))
    now, cause = time.time(), Failure("extract", Problem("corrupt", "It is broken.", "Mend it."))
    with writing(short.catalog) as connection:
        job = record_job(connection, short, Request((), "documents"), ()).id
        for place, days in enumerate((0.5, 6.9, 7.5, 9.0)):
            document = records.reject(connection, job, f"/{place}", 1, cause)
            aged = attempt_errors.update().where(attempt_errors.c.document_id == document)
            connection.execute(aged.values(at=now - days * DAY_S))
        failure_list.purge(connection, FailureFilter())
    assert clean_up(short)["deleted"]["attempt_errors"] == 1
    with short.catalog.connect() as connection:
        counted = count_failed(connection, {"24h": now - DAY_S, "7d": now - 7 * DAY_S})
    assert counted == {"24h": {"corrupt": 1}, "7d": {"corrupt": 2}}


@pytest.mark.parametrize(
    ("stored_days_ago", "kept_days"),
    [(None, LONGEST_LEDGER_S / DAY_S), (0.5, 2), (4, 4), (30, LONGEST_LEDGER_S / DAY_S)],
)
def test_the_ledger_is_kept_until_the_numbers_of_its_days_are_stored(
    services: Services, stored_days_ago: float | None, kept_days: float
) -> None:
    now = time.time()
    if stored_days_ago is not None:
        end = now - stored_days_ago * DAY_S
        with writing(services.catalog) as connection:
            numbers = daily_metrics.compute(connection, Day("2026-01-01", end - DAY_S, end))
            daily_metrics.store(connection, numbers)
    assert ledger_before(services, now) == pytest.approx(now - kept_days * DAY_S)
    off = Services(services.settings.model_copy(update={"schedule_metrics": ""}))
    assert ledger_before(off, now) == pytest.approx(now - 2 * DAY_S), "nobody will store them"
