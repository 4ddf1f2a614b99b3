"""Limits of the stages: memory for chunks, and clean-up of left drafts. The stages run without a worker."""

from __future__ import annotations

import errno
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import sqlalchemy as sa

import extractors
from extractors.options import Options
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempts
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import batches
from pipeline.catalog.work.ledger import Claim
from pipeline.ingest import cleanup
from pipeline.ingest.placement import placement_of
from pipeline.ingest.request import Request
from pipeline.ingest.submit import record_job
from pipeline.plan import PLAIN
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import LocalSpool, write_json
from pipeline.stages import chunk
from pipeline.stages.artifacts import text_key


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(Settings(data_dir=tmp_path / "data", embedding_model="hashing"))


def batch_of_texts(services: Services, folder: Path, number: int) -> Claim:
    """A batch whose texts are extracted, about to be cut."""
    with writing(services.catalog) as connection:
        job = record_job(connection, services, Request([]), [100] * number)
        placement, recipe = placement_of(services, connection, job)
        files = [FileRecord(f"/in/{n}.txt", f"{n:064d}", 100, 0.0) for n in range(number)]
        ids = [records.record(connection, job.id, recipe, file, placement).attempt_id or "" for file in files]
        batch_id = batches.create(connection, job.id, 5, ids, active=True)
    for number, attempt_id in enumerate(ids):
        path = folder / f"{number}.txt"
        path.write_text(f"Letter {number} is about the lighthouse. " * 40)
        write_json(services.spool, text_key(batch_id, attempt_id), asdict(extractors.extract(path, Options())))
    return Claim("task", batch_id, "chunk", 0, 1, {}, job.id, 5, PLAIN, "test")


def batches_of(services: Services, claim: Claim) -> list[str]:
    with services.catalog.connect() as connection:
        return list(connection.scalars(sa.select(attempts.c.batch_id).where(attempts.c.job_id == claim.job_id)))


def test_chunks_of_many_long_documents_are_not_held_at_once(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = batch_of_texts(services, tmp_path, 5)
    monkeypatch.setattr(chunk, "CHARS_AT_ONCE", 2000)
    done = chunk.work(services, claim)
    assert done.facts is not None
    assert done.facts["documents"] == 2
    with writing(services.catalog) as connection:
        done.record(connection)
    # The other documents start again, each in its own batch: none is lost and none has failed.
    apart = [name for name in batches_of(services, claim) if name != claim.batch_id]
    assert len(apart) == len(set(apart)) == 3


def test_drafts_of_a_killed_writer_are_swept(services: Services) -> None:
    spool = services.spool
    assert isinstance(spool, LocalSpool)
    spool.write("originals/ab/abc.txt", b"x")
    assert list(spool.drafts.iterdir()) == []
    old, young = spool.drafts / "old", spool.drafts / "young"
    for draft in (old, young):
        draft.write_bytes(b"half a file")
    two_days_ago = time.time() - 2 * cleanup.DAY_S
    os.utime(old, (two_days_ago, two_days_ago))
    cleanup.sweep(services)
    assert [path.name for path in spool.drafts.iterdir()] == ["young"]


def test_drafts_of_a_killed_copy_are_swept(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spool is on another file system than the file, and the process is killed in the middle of the copy."""
    spool, path = services.spool, tmp_path / "letter.txt"
    assert isinstance(spool, LocalSpool)
    path.write_bytes(b"a whole file")

    def refuse(target: Path, source: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))

    def die(_source: Path, target: Path) -> None:
        target.write_bytes(b"half a file")
        raise SystemExit

    def files() -> list[Path]:
        return [entry for entry in spool.root.rglob("*") if entry.is_file()]

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", die)
        with pytest.raises(SystemExit):
            spool.put_file("originals/ab/old.txt", path)
        (old,) = files()
        os.utime(old, (time.time() - 2 * cleanup.DAY_S,) * 2)
        with pytest.raises(SystemExit):
            spool.put_file("originals/ab/young.txt", path)
    (young,) = set(files()) - {old}
    beside = spool.root / "originals/ab/.abc"  # where such drafts were written before
    beside.write_bytes(b"half a file")
    os.utime(beside, (time.time() - 2 * cleanup.DAY_S,) * 2)
    cleanup.sweep(services)
    assert files() == [young]
    spool.put_file("originals/ab/old.txt", path)
    assert spool.read("originals/ab/old.txt") == b"a whole file"
