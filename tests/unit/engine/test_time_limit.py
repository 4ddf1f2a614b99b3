"""The time limit of a task counts the time in which its process worked, or could have worked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine.prefork import left_of_limit_s
from pipeline.engine.process import Worker
from pipeline.engine.requests import request_class
from pipeline.settings import Settings
from pipeline.stages.working_time import WorkingTime

MORE_THAN_ANY_DISK = 1 << 40


class Proc:
    """A /proc of one process that is written by the test, and a clock that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.folder = folder
        self.thread = folder / "7" / "task" / "7"
        self.thread.mkdir(parents=True)
        (self.thread / "children").write_text("")
        self.write(0.0, 0.0)

    def write(self, ran_s: float, waited_s: float) -> None:
        (self.thread / "schedstat").write_text(f"{ran_s * 1e9:.0f} {waited_s * 1e9:.0f} 1")
        (self.thread / "stat").write_text("7 (name) S 1")

    def clock(self) -> float:
        return self.now


@pytest.fixture
def request_of(tmp_path: Path) -> Any:
    """A request at its time limit, as the pool holds it; its process is this one."""

    def make(clock: WorkingTime | None, min_free_mb: int = 0) -> Any:
        settings = Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", min_free_mb=min_free_mb)
        kind = request_class(Worker("extract@1", settings))
        limited = kind.__new__(kind)
        limited.worker_pid = os.getpid()
        if clock is not None:
            limited.take_time(clock)
        return SimpleNamespace(_timeout_callback=limited.on_timeout, _timeout=60.0)

    return make


def test_a_task_that_waited_for_a_processor_has_time_left(tmp_path: Path, request_of: Any) -> None:
    proc = Proc(tmp_path)
    job = request_of(WorkingTime(7, proc.clock, tmp_path))
    proc.now = 60.0
    proc.write(10.0, 45.0)
    assert left_of_limit_s(job) == pytest.approx(45.0)
    proc.now = 105.0
    proc.write(55.0, 45.0)
    assert left_of_limit_s(job) == pytest.approx(0.0)


def test_a_task_that_hangs_has_none(tmp_path: Path, request_of: Any) -> None:
    proc = Proc(tmp_path)
    job = request_of(WorkingTime(7, proc.clock, tmp_path))
    proc.now = 60.0
    assert left_of_limit_s(job) == 0.0
    assert left_of_limit_s(request_of(None)) == 0.0
    assert left_of_limit_s(None) == 0.0


def test_the_time_of_a_task_begins_anew_while_it_waits_for_room_on_the_disk(tmp_path: Path, request_of: Any) -> None:
    proc = Proc(tmp_path)
    job = request_of(WorkingTime(7, proc.clock, tmp_path), min_free_mb=MORE_THAN_ANY_DISK)
    proc.now = 50.0
    assert left_of_limit_s(job) == pytest.approx(10.0)
    proc.now = 60.0
    assert left_of_limit_s(job) == 60.0
    assert 50.0 < left_of_limit_s(job) <= 60.0
    assert left_of_limit_s(request_of(None, MORE_THAN_ANY_DISK)) == 0.0


@pytest.fixture
def sleeping() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


def test_the_clock_begins_with_the_task(sleeping: int, request_of: Any) -> None:
    assert 0.0 < left_of_limit_s(request_of(WorkingTime(sleeping))) <= 60.0
