"""Gates for tests: a closed gate holds every process that reaches it; without the variable there are none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flow_tools import eventually
from gates import FOLDER, Gates

from pipeline import gates_for_tests
from pipeline.gates_for_tests import HISTORY, are_watched, job_of, pass_gate


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gates:
    gates = Gates(tmp_path / "gates")
    monkeypatch.setenv(FOLDER, str(gates.folder))
    return gates


@contextmanager
def visiting(*visitors: str) -> Iterator[list[str]]:
    """Run threads that reach the gate `embed`; yields the list of those that have passed it."""
    passed = list[str]()

    def visit(visitor: str) -> None:
        pass_gate("embed", visitor, f"embed-{visitor}@node")
        passed.append(visitor)

    threads = [threading.Thread(target=visit, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    yield passed
    for thread in threads:
        thread.join()


def test_an_open_gate_does_not_hold(gates: Gates) -> None:
    gates.close("chunk", "embed-worked")
    pass_gate("embed", "1")
    assert list(gates.folder.glob("*.waits")) == []


def test_a_closed_gate_holds_until_it_is_opened(gates: Gates) -> None:
    gates.close("embed")
    with visiting("1", "2") as passed:
        assert {visit.visitor for visit in gates.arrived("embed", 2)} == {"1", "2"}
        (first,) = gates.arrived("embed", part="embed-1")
        assert (first.visitor, first.pid, first.node) == ("1", os.getpid(), "embed-1@node")
        assert passed == []
        gates.open("embed")
        assert eventually(lambda: set(passed) == {"1", "2"})
    assert list(gates.folder.iterdir()) == []


def test_a_pass_lets_one_visitor_through(gates: Gates) -> None:
    gates.close("embed")
    with visiting("1", "2", "3") as passed:
        gates.arrived("embed", 3)
        gates.let("embed", 2)
        assert eventually(lambda: len(passed) == 2)
        assert len(gates.arrived("embed")) == 1
        gates.open()
    assert len(passed) == 3


def test_a_gate_that_was_left_closed_opens_by_itself(gates: Gates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates_for_tests, "LONGEST_S", 0.05)
    gates.close("embed")
    pass_gate("embed", "1")
    assert gates.waiting("embed") == []


def test_outside_tests_there_are_no_gates(gates: Gates, monkeypatch: pytest.MonkeyPatch) -> None:
    gates.close("embed")
    monkeypatch.delenv(FOLDER)
    pass_gate("embed", "1")
    assert list(gates.folder.glob("*.waits")) == []


VISIT = "import sys; from pipeline.gates_for_tests import pass_gate; pass_gate('embed', 'a task', 'node', sys.argv[1])"


def visit(job: str) -> int:
    """Exit status of a process, the leader of its session, that passes the gate for this job."""
    return subprocess.run([sys.executable, "-c", VISIT, job], start_new_session=True, check=False).returncode


@pytest.mark.parametrize("who", ["process", "worker"])
def test_one_visitor_of_the_job_dies(gates: Gates, who: str) -> None:
    order = gates.kill("embed", who, "mine")
    assert visit("another") == 0
    assert order.exists()
    assert visit("mine") == -signal.SIGKILL
    assert not order.exists()
    assert visit("mine") == 0


def test_the_visitor_of_any_job_dies(gates: Gates) -> None:
    gates.kill("embed")
    assert [visit("one"), visit("two")] == [-signal.SIGKILL, 0]


def test_the_worker_dies_with_the_process_that_it_started(gates: Gates) -> None:
    gates.kill("embed", "worker")
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {VISIT!r}, 'mine']); print('still here')"
    ended = subprocess.run([sys.executable, "-c", parent], start_new_session=True, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"")


def test_every_visit_is_in_the_history(gates: Gates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HISTORY, str(tmp_path / "history"))
    pass_gate("embed", "a task", "node", "a job")
    gates.kill("embed", job="mine")
    visit("mine")
    events = [json.loads(line) for line in (tmp_path / "history").read_text().splitlines()]
    assert [(event["at"], event["visitor"], event["job"]) for event in events] == [
        ("embed", "a task", "a job"), ("embed", "a task", "mine"), ("killed", "embed", "mine"),
    ]  # fmt: skip
    assert events[0]["pid"] == os.getpid() != events[1]["pid"] == events[2]["pid"]
    assert len({event["started"] for event in events}) == 2
    assert events[0]["monotonic"] < events[1]["monotonic"] < events[2]["monotonic"]


def test_the_job_of_the_last_visitor_is_known(gates: Gates) -> None:
    pass_gate("embed", "a task", "node", "a job")
    assert (job_of("a task"), job_of("another task")) == ("a job", "")


def test_tests_that_watch_are_known_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (FOLDER, HISTORY):
        monkeypatch.delenv(name, raising=False)
    assert not are_watched()
    monkeypatch.setenv(HISTORY, "a file")
    assert are_watched()


def test_a_process_that_may_not_write_there_passes_all_the_same(
    gates: Gates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a sandbox."""

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setenv(HISTORY, str(tmp_path / "history"))
    monkeypatch.setattr(os, "open", refuse)
    pass_gate("sandbox", "1")
    assert not (tmp_path / "history").exists()
