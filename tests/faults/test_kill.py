"""SIGKILL for a process of each kind while it works: all documents complete, and not a point is lost or left over."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, lives, stop, write_documents
from PIL import Image, ImageDraw, ImageFont

from pipeline.catalog.database.schema import events, tasks

NUMBER, SCANS, WORDS = 60, 3, 270
SLOW = {"chunk_batch_size": 8, "batch_documents": 6, "chunk_tokens": 64, "extract_processes": 1, "embed_processes": 2}
"""Many small tasks, so that there is always one to hit; one pool process, so that it is known whom."""


@dataclass(frozen=True)
class Blow:
    """Whom to kill, while a task of which stage runs there; `parts` of the stack of which one is chosen."""

    name: str
    stage: str
    parts: tuple[str, ...]
    find: Callable[[FlowRig, str], list[psutil.Process]]
    dies: bool = True


def leader(rig: FlowRig, part: str) -> list[psutil.Process]:
    pid = rig.part(part).pid
    return [psutil.Process(pid)] if pid else []  # without a pid, psutil takes the caller's own


def pool_children(rig: FlowRig, part: str) -> list[psutil.Process]:
    return [child for process in leader(rig, part) for child in process.children()]


def sandboxes(rig: FlowRig, part: str) -> list[psutil.Process]:
    # Each leads a group, in which its watcher is too.
    return [one for one in rig.processes(part, "pipeline.stages.sandbox_child") if os.getpgid(one.pid) == one.pid]


BLOWS = [
    Blow("extract worker", "extract", ("extract",), leader),
    Blow("pool process", "extract", ("extract",), pool_children, dies=False),
    Blow("pool process", "chunk", ("extract",), pool_children, dies=False),
    Blow("sandbox", "extract", ("extract",), sandboxes, dies=False),
    Blow("embed worker", "embed", ("embed-1", "embed-2"), leader),
    Blow("store worker", "upsert", ("store",), leader),
    Blow("store worker", "finalize", ("store",), leader),
    Blow("redis", "embed", ("redis",), leader),
    Blow("beat", "embed", ("beat",), leader),
    Blow("extract worker", "ocr", ("extract",), leader),
]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    with stack_on(tmp_path_factory.mktemp("kill") / "data", **SLOW) as found:
        yield found


@pytest.mark.parametrize("blow", BLOWS, ids=lambda blow: f"{blow.name} at {blow.stage}")
def test_kill(rig: FlowRig, tmp_path: Path, blow: Blow, needs: Callable[..., None]) -> None:
    seed, scans = BLOWS.index(blow) + 100, 0
    if blow.stage == "ocr":
        needs("tesseract")
        scans = SCANS
        write_scans(tmp_path / "in", scans)
    write_documents(tmp_path / "in", NUMBER - scans, words=WORDS, seed=seed)
    part = random.Random(seed).choice(blow.parts)
    restarts = rig.part(part).restarts
    job = rig.submit(tmp_path / "in", collection=f"kill-{seed}")
    hit = strike(rig, job, blow, part)
    assert rig.wait(job) == {"completed": NUMBER}
    rig.assert_at_rest(job)
    rig.assert_exact(f"kill-{seed}")
    assert rig.part(part).restarts == restarts + blow.dies
    begun_again = [row for row in rig.tasks_of(job) if row.id in hit and row.starts > 1]
    assert begun_again or blow.name in ("sandbox", "beat", "redis")
    assert eventually(lambda: rig.state().level == "ready")


def test_a_power_cut_before_anything_is_searchable(tmp_path: Path) -> None:
    """What stages commit until then does not wait for the disk: all of it is gone, and is done again."""
    data, durable = tmp_path / "data", tmp_path / "lasting.db"
    write_documents(tmp_path / "in", 12, words=WORDS, seed=77)
    with stack_on(data, **SLOW) as rig:
        assert all(stop(one) for one in rig.processes("store"))
        job = rig.submit(tmp_path / "in")
        with closing(sqlite3.connect(data / "catalog.db")) as found, closing(sqlite3.connect(durable)) as kept:
            found.backup(kept)
            (last,) = kept.execute("SELECT max(id) FROM events").fetchone()
        assert eventually(lambda: is_embedded(rig, job), 60), rig.describe(job)
        told = rig.scalar(sa.select(sa.func.max(events.c.id)))
        now = rig.state()
        for pid in (now.pid, *(one.pid for one in now.processes)):
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
    for end in ("", "-wal", "-shm"):
        (data / f"catalog.db{end}").unlink(missing_ok=True)
    durable.rename(data / "catalog.db")
    with stack_on(data, **SLOW) as rig:
        assert rig.wait(job) == {"completed": 12}
        rig.assert_at_rest(job)
        rig.assert_exact()
        # Who follows the job and has seen those that are lost goes on with these.
        assert rig.scalar(sa.select(sa.func.min(events.c.id)).where(events.c.id > last)) > told


def is_embedded(rig: FlowRig, job: str) -> bool:
    """Whether all that is left to do is to store the points."""
    is_upsert = tasks.c.stage == "upsert"
    return bool(rig.tasks_of(job, is_upsert)) and not rig.tasks_of(job, ~is_upsert, tasks.c.state != "done")


def write_scans(folder: Path, number: int) -> None:
    """Pictures of two lines, which OCR reads in a moment; by their names they are taken in first."""
    folder.mkdir(parents=True)
    font = ImageFont.load_default(size=32)
    for position in range(number):
        image = Image.new("L", (1000, 200), 255)
        text = f"The keeper of lighthouse {position} writes down\nwho passed in the night before."
        ImageDraw.Draw(image).text((40, 40), text, fill=0, font=font, spacing=20)
        image.save(folder / f"a-scan-{position}.png")


def strike(rig: FlowRig, job: str, blow: Blow, part: str) -> set[str]:
    """Kill one of them in the middle of a task of the stage.

    They are stopped first, and killed if the task is still unfinished then: the blow never comes too late. Nor does
    the pool of a worker that is to die finish the task meanwhile: it stands still until its death.

    Returns:
        Ids of the tasks that were running there.
    """
    chance, deadline = random.Random(blow.stage), time.monotonic() + 30
    while time.monotonic() < deadline:
        if not at_it(rig, job, blow, part):
            time.sleep(0.002)
            continue
        targets = blow.find(rig, part)
        stopped = [process for process in targets if stop(process)]
        pool = [process for process in pool_children(rig, part) if blow.dies and stop(process)]
        hit = at_it(rig, job, blow, part)
        if stopped and len(hit) >= (len(targets) if len(targets) > 1 else 1):
            chance.choice(stopped).kill()
            resume(stopped)
            return hit
        resume(stopped + pool)
    raise AssertionError(f"no task of {blow.stage} was caught")


def at_it(rig: FlowRig, job: str, blow: Blow, part: str) -> set[str]:
    """Running tasks of the stage, in that part if the part runs tasks."""
    rows = rig.tasks_of(job, tasks.c.state == "running", tasks.c.stage == blow.stage)
    runs_tasks = part not in ("redis", "beat")
    return {row.id for row in rows if row.runner.startswith(f"{part}@") or not runs_tasks}


def resume(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.send_signal(signal.SIGCONT)
        except psutil.NoSuchProcess:
            continue


def test_the_supervisor_dies_and_the_stack_is_started_again(tmp_path: Path) -> None:
    write_documents(tmp_path / "in", NUMBER, words=WORDS, seed=99)
    with stack_on(tmp_path / "data", **SLOW) as rig:
        job = rig.submit(tmp_path / "in")
        assert eventually(lambda: rig.tasks_of(job, tasks.c.state == "done", tasks.c.stage == "embed"), pause=0.005)
        former = rig.state()
        psutil.Process(former.pid).kill()
        assert eventually(lambda: not any(lives(one.pid or 0) for one in former.processes))
        assert not rig.finished(job)
    with stack_on(tmp_path / "data", **SLOW) as rig:
        assert rig.state().id != former.id
        assert rig.wait(job) == {"completed": NUMBER}
        rig.assert_at_rest(job)
        rig.assert_exact()
        assert rig.logged("task.republished")
