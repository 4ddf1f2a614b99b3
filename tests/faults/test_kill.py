"""SIGKILL for a process of each kind while it works: all documents complete, and not a point is lost or left over."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, lives, write_documents

from pipeline.catalog.database.schema import events, tasks
from pipeline.gates_for_tests import SANDBOX

NUMBER, WORDS = 15, 270
SLOW = {"chunk_batch_size": 8, "batch_documents": 6, "chunk_tokens": 64, "extract_processes": 1, "embed_processes": 2}
"""Several small tasks of each stage; one pool process, so that it is known which one is at work."""


@dataclass(frozen=True)
class Blow:
    """Which process is killed while tasks of a stage wait at a closed gate. Workers die in `test_crash_points.py`.

    `before` visitors of the gate are let through first. `dies` says whether a part of the stack ends with it.
    """

    part: str
    stage: str
    dies: bool = True
    gate: str = ""
    before: int = 0


BLOWS = [
    Blow("sandbox", "extract", dies=False, gate=SANDBOX, before=2),
    Blow("redis", "embed"),
    Blow("beat", "embed"),
]


def named(blow: Blow) -> str:
    return f"{blow.part} at {blow.gate or blow.stage}"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    with stack_on(tmp_path_factory.mktemp("kill") / "data", **SLOW) as flow_rig:
        yield flow_rig


@pytest.mark.parametrize("blow", BLOWS, ids=named)
def test_killed_process_loses_no_document(rig: FlowRig, tmp_path: Path, blow: Blow) -> None:
    seed = BLOWS.index(blow) + 100
    write_documents(tmp_path / "in", NUMBER, words=WORDS, seed=seed)
    part = "extract" if blow.gate == SANDBOX else blow.part
    restarts = rig.part(part).restarts
    gate = blow.gate or blow.stage
    rig.gates.let(gate, blow.before)
    with rig.gates.closed(gate):
        job = rig.submit(tmp_path / "in", collection=f"kill-{seed}")
        strike(rig, job, blow)
        assert eventually(lambda: rig.part(part).restarts == restarts + blow.dies), rig.part(part)
    assert rig.wait(job) == {"completed": NUMBER}
    rig.assert_at_rest(job)
    rig.assert_exact(f"kill-{seed}")
    assert eventually(lambda: rig.state().level == "ready")
    assert rig.part(part).restarts == restarts + blow.dies


def strike(rig: FlowRig, job: str, blow: Blow) -> None:
    """Kill the process while a task of the stage waits at the gate."""
    visitor = rig.gates.arrived(blow.gate or blow.stage)[0]
    assert rig.tasks_of(job, tasks.c.state == "running", tasks.c.stage == blow.stage)
    killed = psutil.Process(visitor.pid if blow.gate == SANDBOX else rig.part(blow.part).pid)
    killed.kill()
    assert eventually(lambda: not lives(killed.pid)), killed


def test_power_cut_before_anything_is_searchable_loses_no_document(tmp_path: Path) -> None:
    """Commits before it do not wait for the disk: all of them are lost, and their work is repeated."""
    data, durable = tmp_path / "data", tmp_path / "lasting.db"
    write_documents(tmp_path / "in", 12, words=WORDS, seed=77)
    with stack_on(data, **SLOW) as rig:
        rig.gates.close("upsert")
        job = rig.submit(tmp_path / "in")
        with closing(sqlite3.connect(data / "catalog.db")) as current, closing(sqlite3.connect(durable)) as kept:
            current.backup(kept)
            (last,) = kept.execute("SELECT max(id) FROM events").fetchone()
        assert eventually(lambda: is_embedded(rig, job)), rig.describe(job)
        last_event = rig.scalar(sa.select(sa.func.max(events.c.id)))
        now = rig.state()
        for pid in (now.pid, *(process.pid for process in now.processes)):
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
    for end in ("", "-wal", "-shm"):
        (data / f"catalog.db{end}").unlink(missing_ok=True)
    durable.rename(data / "catalog.db")
    with stack_on(data, **SLOW) as rig:
        assert rig.wait(job) == {"completed": 12}
        rig.assert_at_rest(job)
        rig.assert_exact()
        # A client that follows the job and has seen the lost events continues with these.
        assert rig.scalar(sa.select(sa.func.min(events.c.id)).where(events.c.id > last)) > last_event


def is_embedded(rig: FlowRig, job: str) -> bool:
    """Whether only the points have to be stored."""
    is_upsert = tasks.c.stage == "upsert"
    return bool(rig.tasks_of(job, is_upsert)) and not rig.tasks_of(job, ~is_upsert, tasks.c.state != "done")


def test_stack_is_started_again_after_its_supervisor_died(tmp_path: Path) -> None:
    write_documents(tmp_path / "in", NUMBER, words=WORDS, seed=99)
    with stack_on(tmp_path / "data", **SLOW) as rig:
        rig.gates.close("finalize")
        job = rig.submit(tmp_path / "in")
        rig.gates.arrived("finalize")
        assert rig.tasks_of(job, tasks.c.state == "done", tasks.c.stage == "embed")
        former = rig.state()
        psutil.Process(former.pid).kill()
        assert eventually(lambda: not any(lives(process.pid or 0) for process in former.processes))
        assert not rig.finished(job)
    with stack_on(tmp_path / "data", **SLOW) as rig:
        assert rig.state().id != former.id
        assert rig.wait(job) == {"completed": NUMBER}
        rig.assert_at_rest(job)
        rig.assert_exact()
        assert rig.logged("task.republished")
