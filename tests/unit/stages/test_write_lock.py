"""The stages use neither files nor the network nor the store while they hold the catalog's write lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from flow_tools import write_documents, write_scan
from write_lock import guarded

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.database.schema import attempts, tasks
from pipeline.catalog.work import admission, ledger
from pipeline.engine.executor import follow
from pipeline.ingest.request import Request
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.uploads import Draft, submit_uploads
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stages import chunk, embed, extract, finalize, ocr, upsert
from pipeline.stages.done import Work
from pipeline.stages.sandbox import Sandbox

NODE = "a worker"
WORKS = {"chunk": chunk, "embed": embed, "upsert": upsert, "finalize": finalize}
READING = {"extract": extract, "ocr": ocr}
"""Stages that read files in a child process."""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    unreachable = "redis://127.0.0.1:9"
    settings = Settings(data_dir=tmp_path / "data", embedding_model="hashing", redis_url=unreachable)
    made = Services(settings, owner=True)
    yield made
    made.store.close()
    made.catalog.dispose()
    made.cache.dispose()


def submit(services: Services, *paths: Path) -> None:
    uploads = []
    for path in paths:
        draft = Draft(services)
        draft.write(path.read_bytes())
        uploads.append(draft.finish(f"upload://{path.name}"))
    submit_uploads(services, GroupWriter(services.catalog), Request(()), uploads, SubmitOptions())


def do_next(services: Services, works: dict[str, Work]) -> str | None:
    """Do a task that is due as a worker does, without messages. Returns its stage; None if none is due."""
    with writing(services.catalog) as connection:
        admission.admit(connection, 10, 10, "extract")
        due = connection.execute(sa.select(tasks.c.id).where(tasks.c.state == "due").limit(1)).scalar()
        claim = None if due is None else ledger.claim(connection, due, NODE, ())
    if claim is None:
        return None
    done = works[claim.stage](services, claim)
    with writing(services.catalog) as connection:
        assert ledger.finish(connection, claim.task_id, NODE)
        done.record(connection)
        follow(connection, claim)
    if done.tidy is not None:
        done.tidy()
    return claim.stage


def states(services: Services) -> list[str]:
    with services.catalog.connect() as connection:
        return sorted(connection.scalars(sa.select(attempts.c.state)))


def break_the_rule(services: Services, file: Path) -> None:
    with writing(services.catalog):
        file.write_text("with the lock in hand")
        services.spool.exists("key")
        services.store.collections()


def test_the_guard_notes_files_the_spool_and_the_store(services: Services, tmp_path: Path) -> None:
    with guarded(services) as guard:
        services.spool.exists("without the lock")
        break_the_rule(services, tmp_path / "file")
        broken, guard.refused = guard.refused, []
    assert broken[0] == f"open {tmp_path / 'file'}"
    assert [call.partition(".")[2] for call in broken[1:3]] == ["exists", "collections"]


def test_stages_use_no_file_and_no_store_with_the_write_lock_in_hand(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From extract to finalize: a text, one that is replaced, a file that cannot be read, and a scanned page."""
    monkeypatch.setattr("pipeline.stages.extract.FLUSH_S", 0.0)  # progress is recorded after each file
    paths = write_documents(tmp_path / "in", 2)
    (tmp_path / "in" / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    write_scan(tmp_path / "in" / "scan.png", 1)
    passed: list[str] = []
    with closing(Sandbox(1024)) as sandbox, guarded(services) as guard:
        works: dict[str, Work] = {name: module.work for name, module in WORKS.items()}
        works |= {name: partial(module.work, sandbox=sandbox) for name, module in READING.items()}
        submit(services, *paths, tmp_path / "in" / "broken.pdf", tmp_path / "in" / "scan.png")
        while (stage := do_next(services, works)) is not None:
            passed.append(stage)
        paths[0].write_text("A letter that is written anew.\n")
        submit(services, paths[0])
        while (stage := do_next(services, works)) is not None:
            passed.append(stage)
    assert set(passed) == {"extract", "ocr", "chunk", "embed", "upsert", "finalize"}
    assert states(services) == ["completed", "completed", "completed", "completed", "failed"]
    assert guard.calls > 20
