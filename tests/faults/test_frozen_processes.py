"""SIGSTOP for every process of the private stack: it is replaced, and what was under way goes on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, lives, write_documents
from stack_rig import WEB, Rig, checked_rig, heard, up

from pipeline.search import search
from pipeline.settings import Settings
from pipeline.stack import Launch, ProcessSpec, connect, running
from pipeline.task_manager import TaskManager

STOPPED_S = 1.0


def quick(settings: Settings, specs: list[ProcessSpec]) -> Launch:
    """The usual stack, which takes a process for frozen sooner."""
    return Launch(str(settings.data_dir), tuple(specs), stopped_s=STOPPED_S)


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    with stack_on(tmp_path_factory.mktemp("frozen") / "data", quick) as rig:
        yield rig


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with checked_rig(tmp_path / "data", monkeypatch) as rig:
        rig.launch = replace(rig.launch, stopped_s=STOPPED_S)
        yield rig


@pytest.mark.parametrize("part", ["store", "embed-1", "extract", "beat", "redis"])
def test_a_job_goes_on_without_a_hand_after_a_process_froze(flow: FlowRig, tmp_path: Path, part: str) -> None:
    write_documents(tmp_path / "in", 6, seed=40)
    before = flow.part(part)
    with flow.gates.closed("upsert"):
        job = flow.submit(tmp_path / "in", collection=part)
        flow.gates.arrived("upsert")
        os.kill(before.pid, signal.SIGSTOP)
        assert eventually(lambda: flow.part(part).restarts == before.restarts + 1)
    assert flow.wait(job) == {"completed": 6}
    flow.assert_exact(part)
    after = flow.part(part)
    assert (after.frozen, after.reason) == (before.frozen + 1, "frozen")
    assert not lives(before.pid)
    assert eventually(lambda: flow.state().level == "ready")
    shown = {found.name: found for found in TaskManager(flow.services).totals().processes}
    assert (shown[part].frozen, shown[part].reason) == (after.frozen, "frozen")
    others = [found for found in flow.state().processes if found.name != part]
    assert not [found for found in others if found.reason == "died"]


def test_a_search_is_answered_by_the_store_that_comes_in_the_place_of_a_frozen_one(
    flow: FlowRig, tmp_path: Path
) -> None:
    write_documents(tmp_path / "in", 2, seed=41)
    assert flow.ingest(tmp_path / "in", collection="searched") == {"completed": 2}
    former = flow.part("store")
    os.kill(former.pid, signal.SIGSTOP)
    found: list[int] = []

    def ask() -> None:
        found.append(len(search(flow.services, "letter", collection="searched").hits))

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(120)
    assert found == [2]
    assert flow.part("store").frozen == former.frozen + 1


def test_a_frozen_warden_is_replaced(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch):
        (warden,) = rig.named("pipeline.stack.warden")
        warden.suspend()
        assert eventually(lambda: not warden.is_running() or warden.status() == psutil.STATUS_ZOMBIE)
        assert eventually(lambda: len(rig.named("pipeline.stack.warden")) == 1)
        os.kill(rig.state().pid, signal.SIGKILL)
        assert eventually(rig.gone)


def test_a_frozen_supervisor_and_a_frozen_service_are_replaced_under_up(rig: Rig) -> None:
    with up(rig, WEB) as process:
        assert heard(process, "The stack is ready")
        web = next(found for found in rig.named(" web") if os.getsid(found.pid) == found.pid)
        web.suspend()
        assert heard(process, "web was frozen and is replaced")
        assert heard(process, "web is ready")
        former = rig.state()
        os.kill(former.pid, signal.SIGSTOP)
        assert heard(process, "the stack is started again")
        assert heard(process, "The stack is ready")
        assert rig.state().id != former.id


def test_a_warden_kills_a_frozen_supervisor_and_a_frozen_warden_does_not_stop_the_next_stack(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch):
        os.kill(rig.state().pid, signal.SIGSTOP)
        assert eventually(rig.gone)
    with connect(rig.settings, until="ready", launch=rig.launch):
        left = {part.pid for part in rig.state().processes}
        (warden,) = rig.named("pipeline.stack.warden")
        warden.suspend()
        os.kill(rig.state().pid, signal.SIGKILL)
        assert eventually(lambda: running(rig.settings) is None)
        with connect(rig.settings, until="ready", launch=rig.launch):
            assert not left & {process.pid for process in rig.ours()}
