"""SIGTERM for workers in the middle of their work: it is finished or handed back; nothing is lost or done twice."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, lives, write_documents

from pipeline.catalog.database.schema import tasks

NUMBER = 40
LONGER_THAN_BY_DEFAULT_S = 9.0
GROUPS = [("extract", "extract"), ("embed-1", "embed"), ("store", "upsert")]
"""Each worker, and a stage that it is in the middle of."""


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FlowRig]:
    """A stack whose workers have the grace that the test names."""
    settings: dict[str, Any] = {"batch_documents": 4, "chunk_batch_size": 8, "shutdown_grace_s": request.param}
    with stack_on(tmp_path / "data", **settings) as flow_rig:
        yield flow_rig


def stop(rig: FlowRig, part: str) -> tuple[int, int]:
    """Send SIGTERM to a worker. Returns its pid and how often it was started again before."""
    process = rig.part(part)
    os.kill(process.pid, signal.SIGTERM)
    return process.pid, process.restarts


def executions(rig: FlowRig) -> Counter[tuple[str, str, int]]:
    """How often each task was done."""
    return Counter((line["batch"], line["stage"], line["part"]) for line in rig.logged("stage.done"))


@pytest.mark.parametrize("rig", [600.0], indirect=True)
def test_a_rolling_restart_loses_and_repeats_nothing(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", NUMBER, words=200, seed=5)
    with rig.gates.closed(*(stage for _, stage in GROUPS)):
        job = rig.submit(tmp_path / "in", collection="rolling")
        for part, stage in GROUPS:
            rig.gates.arrived(stage, part=part)
            pid, restarts = stop(rig, part)
            assert eventually(partial(is_stopping, rig, stage))
            if part == "extract":
                time.sleep(LONGER_THAN_BY_DEFAULT_S)
                assert lives(pid)
            rig.gates.open(stage)
            assert eventually(partial(is_started_again, rig, part, pid, restarts))
    assert rig.wait(job) == {"completed": NUMBER}
    rig.assert_at_rest(job)
    rig.assert_exact("rolling")
    assert all(row.starts == 1 for row in rig.tasks_of(job))
    done = executions(rig)
    assert len(done) == len(rig.tasks_of(job))
    assert set(done.values()) == {1}
    assert not rig.logged("worker.handed_back")
    assert not rig.logged("task.republished")


def is_started_again(rig: FlowRig, part: str, pid: int, restarts: int) -> bool:
    return not lives(pid) and rig.part(part).restarts == restarts + 1


def is_stopping(rig: FlowRig, stage: str) -> bool:
    return len(rig.logged("worker.stopping")) > [stage for _, stage in GROUPS].index(stage)


@pytest.mark.parametrize("rig", [1.0], indirect=True)
def test_what_is_not_finished_within_the_grace_is_handed_back(rig: FlowRig, tmp_path: Path) -> None:
    """The task is due again at once; its start does not count, and the processes of the pool are gone."""
    write_documents(tmp_path / "in", 2, words=200, seed=6)
    with rig.gates.closed("extract"):
        job = rig.submit(tmp_path / "in", collection="handed")
        at_work = rig.gates.arrived("extract", part="extract")[0]
        below = [process.pid for process in rig.processes("extract")]
        leader, _ = stop(rig, "extract")
        assert eventually(lambda: not lives(leader))
        assert not any(lives(pid) for pid in (at_work.pid, *below))
        assert [line["tasks"] for line in rig.logged("worker.handed_back")] == [[at_work.visitor]]
        # The worker that the supervisor starts takes it.
        assert eventually(lambda: [visitor.visitor for visitor in rig.gates.waiting("extract")] == [at_work.visitor])
        assert [row.starts for row in rig.tasks_of(job, tasks.c.stage == "extract")] == [1]
    assert rig.wait(job) == {"completed": 2}
    rig.assert_at_rest(job)
    assert not rig.logged("task.republished")
