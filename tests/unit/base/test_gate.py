"""Gates for tests: a closed gate holds every process that reaches it; without the variable there are none."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flow_tools import eventually
from gates import FOLDER, Gates

from pipeline import gates_for_tests
from pipeline.gates_for_tests import pass_gate


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
