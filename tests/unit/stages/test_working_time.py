"""The clock of the sandbox's limits: it stands while the processes wait for a processor, and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flow_tools import eventually
from hypothesis import given
from hypothesis import strategies as st

from extractors import working_time as clock_of_limits
from extractors.working_time import MOST, stretch, working_time
from pipeline.stages.working_time import WorkingTime

PID = 100
S = 10**9
linux = pytest.mark.skipif(sys.platform != "linux", reason="counts of waiting are Linux's")


class Kernel:
    """A made-up /proc, and a clock beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 1000.0

    def task(self, pid: int, tid: int, ran: float, waited: float, state: str = "S", children: str = "") -> None:
        folder = self.root / str(pid) / "task" / str(tid)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "schedstat").write_text(f"{int(ran * S)} {int(waited * S)} 7\n")
        (folder / "stat").write_text(f"{tid} (a ) R name) {state} 1 1 1\n")
        (folder / "children").write_text(children)

    def watch(self) -> WorkingTime:
        """A stopwatch that has looked once."""
        watch = WorkingTime(PID, lambda: self.now, self.root)
        assert watch.seconds() == 0.0
        return watch


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    made = Kernel(tmp_path)
    made.task(PID, PID, ran=5, waited=50)
    return made


def test_what_was_before_does_not_count_and_a_hang_counts_by_the_wall(kernel: Kernel) -> None:
    watch = kernel.watch()
    kernel.now += 30
    assert watch.seconds() == pytest.approx(30)
    assert watch.wall_s == pytest.approx(30)


def test_waiting_for_a_processor_is_left_out(kernel: Kernel) -> None:
    watch = kernel.watch()
    kernel.now += 30
    kernel.task(PID, PID, ran=10, waited=50 + 24)
    assert watch.seconds() == pytest.approx(6)


def test_waiting_of_a_process_that_was_started_meanwhile_is_left_out_too(kernel: Kernel) -> None:
    watch = kernel.watch()
    kernel.now += 30
    kernel.task(PID, PID, ran=6, waited=50 + 4, children="200 ")
    kernel.task(200, 200, ran=6, waited=16)
    kernel.task(200, 201, ran=0, waited=3)  # a second thread of it: the longest waiting counts
    assert watch.seconds() == pytest.approx(10)


def test_waiting_of_a_process_that_has_ended_stays_left_out(kernel: Kernel) -> None:
    watch = kernel.watch()
    kernel.now += 10
    kernel.task(PID, PID, ran=5, waited=50, children="200 ")
    kernel.task(200, 200, ran=1, waited=8)
    watch.seconds()
    kernel.now += 10
    kernel.task(PID, PID, ran=5, waited=50)
    for path in sorted((kernel.root / "200").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert watch.seconds() == pytest.approx(12)


def test_a_wait_that_goes_on_is_left_out_before_the_kernel_counts_it(kernel: Kernel) -> None:
    watch = kernel.watch()
    kernel.now += 1
    kernel.task(PID, PID, ran=6, waited=50, state="R")
    watch.seconds()
    kernel.now += 8  # it has not got a processor since
    assert watch.seconds() == pytest.approx(1)
    kernel.now += 1
    kernel.task(PID, PID, ran=6.5, waited=50 + 8.5)
    assert watch.seconds() == pytest.approx(1.5)


def test_stopped_processes_count_by_the_wall(kernel: Kernel) -> None:
    watch = kernel.watch()
    kernel.task(PID, PID, ran=5, waited=50, state="T")
    watch.seconds()
    kernel.now += 20
    assert watch.seconds() == pytest.approx(20)


def test_threads_that_wait_for_each_other_buy_no_time(kernel: Kernel) -> None:
    """Eight that compute on two processors wait three quarters of the time; they compute twice the wall together."""
    watch = kernel.watch()
    kernel.now += 40
    for number in range(8):
        kernel.task(PID, PID + number, ran=10 + (5 if number == 0 else 0), waited=30 + (50 if number == 0 else 0))
    assert watch.seconds() == pytest.approx(40)


def test_a_limit_ends_by_the_wall_at_last(kernel: Kernel) -> None:
    watch = kernel.watch()
    kernel.now += 1000
    kernel.task(PID, PID, ran=5, waited=50 + 1000)
    assert watch.seconds() == pytest.approx(1000 / MOST)


def test_another_system_counts_by_the_wall(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "none")
    watch = kernel.watch()
    kernel.now += 7
    assert watch.seconds() == pytest.approx(7)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_stretch_is_between_one_and_the_bound(wall_s: float, working_s: float) -> None:
    assert 1.0 <= stretch(wall_s, working_s) <= MOST


def test_stretch_is_the_ratio_of_both_clocks() -> None:
    assert (stretch(30, 10), stretch(30, 30), stretch(0, 0)) == (pytest.approx(3), 1.0, 1.0)


def test_clock_of_limits_leaves_out_what_it_is_told() -> None:
    before = working_time()
    token = clock_of_limits._left_out.set(lambda: 1e6)
    try:
        assert working_time() == pytest.approx(before - 1e6, abs=1e4)
    finally:
        clock_of_limits._left_out.reset(token)


@contextmanager
def running(*arguments: str, cpu: int | None = None, number: int = 1) -> Iterator[list[int]]:
    """Programs of Python at work, all on one processor if it is given."""
    programs = [subprocess.Popen([sys.executable, "-c", *arguments]) for _ in range(number)]
    try:
        for program in programs if cpu is not None else ():
            os.sched_setaffinity(program.pid, {cpu or 0})
        yield [program.pid for program in programs]
    finally:
        for program in programs:
            program.kill()
            program.wait()


def passed(watch: WorkingTime, seconds: float) -> Callable[[], bool]:
    return lambda: watch.wall_s >= seconds


@linux
def test_a_process_beside_many_others_is_left_its_time() -> None:
    """Real processes on one processor: with the lowest priority beside six others, it waits nearly all the time."""
    cpu = min(os.sched_getaffinity(0))
    with (
        running("while True: pass", cpu=cpu, number=6),
        running("import os\nos.nice(19)\nwhile True: pass", cpu=cpu) as (pid,),
    ):
        watch = WorkingTime(pid)
        watch.seconds()
        assert eventually(lambda: watch.wall_s - watch.seconds() > 2.0)
        assert watch.seconds() < watch.wall_s / 2


@linux
@pytest.mark.parametrize("state", ["sleeps", "is stopped"])
def test_a_process_that_hangs_is_given_no_time(state: str, tmp_path: Path) -> None:
    """However busy the machine is: what does not ask for a processor does not wait for one."""
    sign = tmp_path / "sleeps"
    with running("import sys, time\nopen(sys.argv[1], 'w')\ntime.sleep(600)", str(sign)) as (pid,):
        assert eventually(sign.exists)
        if state == "is stopped":
            os.kill(pid, signal.SIGSTOP)
            assert eventually(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        watch = WorkingTime(pid)
        watch.seconds()
        assert eventually(passed(watch, 2.0))
        watch.seconds()
        stood = watch.wall_s
        time.sleep(1)
        assert watch.seconds() >= stood
