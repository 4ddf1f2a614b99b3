"""A claim belongs to a process: copies of its message are dropped while it lives, and only its death counts."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, lives, write_scan

from pipeline.catalog.database.schema import tasks
from pipeline.engine.heartbeat import RECONCILED, unacked_key
from pipeline.engine.liveness import processes_key

COPIES = 6
RECONCILER_RUNS = 4


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., None]) -> Iterator[FlowRig]:
    needs("tesseract")
    with stack_on(tmp_path_factory.mktemp("claims") / "data", extract_processes=3, max_starts=2) as flow_rig:
        yield flow_rig


def submit_scan(rig: FlowRig, folder: Path, number: int) -> str:
    (folder / "in").mkdir()
    write_scan(folder / "in" / "scan.png", number)
    return rig.submit(folder / "in", collection=f"claims-{number}")


def starts(rig: FlowRig, job: str) -> list[int]:
    return [row.starts for row in rig.tasks_of(job, tasks.c.stage == "ocr")]


def received(rig: FlowRig, task_id: str) -> int:
    """How often a process has received the task's message after the first."""
    copies = [line for line in rig.logged("task.copy") if line["task"] == task_id]
    begun_again = sum(int(row.starts) - 1 for row in rig.rows(tasks.select().where(tasks.c.id == task_id)))
    return len(copies) + begun_again


def redeliver(rig: FlowRig, task_id: str) -> None:
    """Cut the workers off from Redis until one of them has received the message once more."""

    def came_or_cut() -> bool:
        if received(rig, task_id):
            return True
        rig.services.redis.execute_command("CLIENT", "KILL", "TYPE", "normal")
        return False

    # A worker that has just lost its connection may not be back yet, and is cut off again.
    assert eventually(came_or_cut, pause=2.0), rig.messages()


def copy_message(rig: FlowRig, task_id: str, times: int) -> None:
    """Put copies of a message that a worker holds into its queue."""
    connection = rig.services.redis
    keys = list(connection.scan_iter(f"{unacked_key('')}*"))
    held = [json.loads(entry) for key in keys for entry in connection.hvals(key)]
    message, _, queue = next(entry for entry in held if entry[0]["headers"]["id"] == task_id)
    connection.rpush(queue, *[json.dumps(message)] * times)


def test_copies_are_dropped_while_the_process_of_the_task_lives(rig: FlowRig, tmp_path: Path) -> None:
    with rig.gates.closed("ocr"):
        job = submit_scan(rig, tmp_path, 1)
        at_work = rig.gates.arrived("ocr")[0]
        copy_message(rig, at_work.visitor, COPIES)
        assert eventually(lambda: received(rig, at_work.visitor) >= COPIES)
        assert starts(rig, job) == [1]
    assert rig.wait(job) == {"completed": 1}
    rig.assert_at_rest(job)
    rig.assert_exact("claims-1")
    assert starts(rig, job) == [1]


def test_a_process_that_dies_after_its_copies_were_dropped_is_replaced(rig: FlowRig, tmp_path: Path) -> None:
    """Its message is gone by then: the reconciler finds the task, and the death counts."""
    with rig.gates.closed("ocr"):
        job = submit_scan(rig, tmp_path, 2)
        at_work = rig.gates.arrived("ocr")[0]
        redeliver(rig, at_work.visitor)
        assert starts(rig, job) == [1]
        os.kill(at_work.pid, signal.SIGKILL)
        assert eventually(lambda: not lives(at_work.pid))
    assert rig.wait(job) == {"completed": 1}
    assert starts(rig, job) == [2]
    rig.assert_at_rest(job)


def test_an_emptied_redis_starts_no_task_of_a_living_process_again(rig: FlowRig, tmp_path: Path) -> None:
    """Heartbeats and messages are gone: every worker first gets the time to report that it lives."""
    with rig.gates.closed("ocr"):
        job = submit_scan(rig, tmp_path, 3)
        at_work = rig.gates.arrived("ocr")[0]
        rig.services.redis.flushall()
        seen: set[object] = {None}
        for _ in range(RECONCILER_RUNS):
            assert eventually(lambda: rig.services.redis.get(RECONCILED) not in seen)
            seen.add(rig.services.redis.get(RECONCILED))
        assert eventually(lambda: rig.services.redis.exists(processes_key(at_work.node)))
    assert rig.wait(job) == {"completed": 1}
    assert starts(rig, job) == [1]
    rig.assert_exact("claims-3")
