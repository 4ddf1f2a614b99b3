"""Services: they run while a `docrelay up` runs, are restarted when they end, and never outlive it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from flow_tools import eventually
from stack_rig import FORKING, READY, SLEEP, Rig, checked_rig, hear

from pipeline.stack import ProcessSpec, connect

HOLD = """
import json, sys
from pathlib import Path
from pipeline.settings import Settings
from pipeline.stack import Launch, ProcessSpec, hold
services = [ProcessSpec(spec["name"], tuple(spec["command"])) for spec in json.loads(sys.argv[3])]
settings, launch = Settings(data_dir=Path(sys.argv[1])), Launch.from_json(sys.argv[2])
hold(settings, lambda line: print(line, flush=True), launch, services)
"""
WEB = ProcessSpec("web", (sys.executable, "-c", FORKING + READY + SLEEP, "web"))
BROKEN = ProcessSpec("broken", (sys.executable, "-c", "import sys; sys.exit('no port')"))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with checked_rig(tmp_path / "data", monkeypatch) as rig:
        yield rig


@contextmanager
def up(rig: Rig, *services: ProcessSpec) -> Iterator[subprocess.Popen[str]]:
    specs = json.dumps([asdict(spec) for spec in services])
    line = [sys.executable, "-c", HOLD, str(rig.settings.data_dir), rig.launch.to_json(), specs]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str], words: str) -> bool:
    return eventually(lambda: words in hear(process))


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


def test_a_second_up_takes_the_services_over(rig: Rig) -> None:
    with up(rig, WEB) as first:
        assert heard(first, "web is ready")
        with up(rig, WEB) as second:
            assert heard(second, "The stack is ready")
            leaders = [process.pid for process in service(rig) if os.getsid(process.pid) == process.pid]
            assert len(leaders) == 1
            first.kill()
            assert heard(second, "web is ready")
            assert leaders[0] not in {process.pid for process in service(rig)}
