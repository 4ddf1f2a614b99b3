"""Services: they run while a `docrelay up` runs, are restarted when they end, and never outlive it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from flow_tools import eventually
from stack_rig import READY, SLEEP, WEB, Rig, checked_rig, heard, up

from pipeline.stack import ProcessSpec, connect

BROKEN = ProcessSpec("broken", (sys.executable, "-c", "import sys; sys.exit('no port')"))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with checked_rig(tmp_path / "data", monkeypatch) as rig:
        yield rig


def service(rig: Rig) -> list[psutil.Process]:
    """The process of the service and what it forked."""
    return rig.named(" web")


def test_a_service_runs_as_long_as_up(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.launch):
        with up(rig, WEB) as process:
            assert heard(process, "web is ready")
            process.send_signal(signal.SIGTERM)
            assert eventually(lambda: not service(rig))
        assert rig.state().usable


def test_a_service_that_ends_is_restarted(rig: Rig) -> None:
    with up(rig, WEB) as process:
        assert heard(process, "web is ready")
        first = {process.pid for process in service(rig)}
        os.kill(min(first), signal.SIGKILL)
        assert heard(process, "web ended and is started again")
        assert heard(process, "web is ready")
        assert not first & {process.pid for process in service(rig)}


def test_a_service_that_cannot_start_harms_no_other_process(rig: Rig) -> None:
    with up(rig, BROKEN, WEB) as process:
        assert heard(process, "no port")
        assert eventually(lambda: rig.state().level == "ready" and service(rig))
        assert process.poll() is None


def test_no_service_outlives_a_killed_up(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.launch), up(rig, WEB) as process:
        assert heard(process, "web is ready")
        process.kill()
        assert eventually(lambda: not service(rig))


def test_the_next_up_kills_services_of_an_up_that_was_killed_with_its_warden(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.launch):
        with up(rig, WEB) as process:
            assert heard(process, "web is ready")
            wardens = [warden for warden in rig.named("pipeline.stack.warden") if warden.ppid() == process.pid]
            assert len(wardens) == 1
            wardens[0].send_signal(signal.SIGSTOP)
            process.kill()
            wardens[0].kill()
        left = {process.pid for process in service(rig)}
        assert left
        with up(rig, WEB) as process:
            assert heard(process, "web is ready")
            assert not left & {process.pid for process in service(rig)}


def test_a_second_up_leaves_the_services_alone_and_the_next_one_after_a_kill_runs_them(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.launch), up(rig, WEB) as first:
        assert heard(first, "web is ready")
        leaders = [process.pid for process in service(rig) if os.getsid(process.pid) == process.pid]
        with up(rig, WEB) as second:
            assert second.wait(120) == 1
        assert leaders == [process.pid for process in service(rig) if os.getsid(process.pid) == process.pid]
        first.kill()
        with up(rig, WEB) as third:
            assert heard(third, "web is ready")
            assert leaders[0] not in {process.pid for process in service(rig)}


def test_up_is_ready_but_says_which_service_could_not_start(rig: Rig) -> None:
    with up(rig, BROKEN, WEB) as process:
        assert heard(process, "The stack is ready, but broken could not start and is tried again (no port)")


def test_up_is_not_ready_before_its_services_are(rig: Rig, tmp_path: Path) -> None:
    gate = tmp_path / "open"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)\n"
    slow = ProcessSpec("slow", (sys.executable, "-c", wait + READY + SLEEP, "slow"))
    with up(rig, slow) as process:
        assert heard(process, "Waiting for slow")
        gate.touch()
        assert heard(process, "The stack is ready; Ctrl-C")


def test_states_of_services_are_replaced_as_a_whole(rig: Rig) -> None:
    with up(rig, WEB) as process:
        assert heard(process, "web is ready")
        run = rig.settings.data_dir / "run"
        assert json.loads((run / "doors.json").read_text("utf-8"))[0]["name"] == "web"
        assert eventually(lambda: not list(run.glob("doors.json.*")))  # one may just be written
