"""Doors: open while a `docrelay up` is there, started again when they die, gone with it however it ends."""

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
from uuid import uuid4

import psutil
import pytest
from stack_rig import FORKING, MARK, READY, SLEEP, Rig, cmdline, eventually, hear

from pipeline.stack import ProcessSpec, connect

HOLD = """
import json, sys
from pathlib import Path
from pipeline.settings import Settings
from pipeline.stack import Launch, ProcessSpec, hold
doors = [ProcessSpec(one["name"], tuple(one["command"])) for one in json.loads(sys.argv[3])]
settings, launch = Settings(data_dir=Path(sys.argv[1])), Launch.from_json(sys.argv[2])
hold(settings, lambda line: print(line, flush=True), launch, doors)
"""
OPEN = ProcessSpec("gate", (sys.executable, "-c", FORKING + READY + SLEEP, "gate"))
BROKEN = ProcessSpec("broken", (sys.executable, "-c", "import sys; sys.exit('no hinges')"))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    mark = uuid4().hex
    monkeypatch.setenv(MARK, mark)
    rig = Rig(tmp_path / "data", mark)
    yield rig
    left = [] if eventually(rig.gone) else [cmdline(one) for one in rig.ours()]
    rig.clear()
    assert not left


@contextmanager
def up(rig: Rig, *doors: ProcessSpec) -> Iterator[subprocess.Popen[str]]:
    told = json.dumps([asdict(door) for door in doors])
    line = [sys.executable, "-c", HOLD, str(rig.settings.data_dir), rig.launch.to_json(), told]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until_said(process: subprocess.Popen[str], words: str) -> bool:
    return eventually(lambda: words in hear(process))


def gates(rig: Rig) -> list[psutil.Process]:
    """The door itself and what it forked."""
    return rig.named(" gate")


def test_a_door_lives_as_long_as_up(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.launch):
        with up(rig, OPEN) as process:
            assert until_said(process, "gate is ready")
            process.send_signal(signal.SIGTERM)
            assert eventually(lambda: not gates(rig))
        assert rig.state().usable


def test_a_door_that_dies_is_started_again(rig: Rig) -> None:
    with up(rig, OPEN) as process:
        assert until_said(process, "gate is ready")
        first = {one.pid for one in gates(rig)}
        os.kill(min(first), signal.SIGKILL)
        assert until_said(process, "gate ended and is started again")
        assert until_said(process, "gate is ready")
        assert not first & {one.pid for one in gates(rig)}


def test_a_door_that_cannot_open_harms_nobody(rig: Rig) -> None:
    with up(rig, BROKEN, OPEN) as process:
        assert until_said(process, "no hinges")
        assert eventually(lambda: rig.state().level == "ready" and gates(rig))
        assert process.poll() is None


def test_no_door_outlives_a_killed_up(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.launch), up(rig, OPEN) as process:
        assert until_said(process, "gate is ready")
        process.kill()
        assert eventually(lambda: not gates(rig))


def test_the_next_up_sweeps_what_a_warden_killed_with_it_left(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.launch):
        with up(rig, OPEN) as process:
            assert until_said(process, "gate is ready")
            wardens = [one for one in rig.named("pipeline.stack.warden") if one.ppid() == process.pid]
            assert len(wardens) == 1
            wardens[0].send_signal(signal.SIGSTOP)
            process.kill()
            wardens[0].kill()
        left = {one.pid for one in gates(rig)}
        assert left
        with up(rig, OPEN) as process:
            assert until_said(process, "gate is ready")
            assert not left & {one.pid for one in gates(rig)}


def test_a_second_up_takes_the_doors_over(rig: Rig) -> None:
    with up(rig, OPEN) as first:
        assert until_said(first, "gate is ready")
        with up(rig, OPEN) as second:
            assert until_said(second, "The stack is ready")
            leaders = [one.pid for one in gates(rig) if os.getsid(one.pid) == one.pid]
            assert len(leaders) == 1
            first.kill()
            assert until_said(second, "gate is ready")
            assert leaders[0] not in {one.pid for one in gates(rig)}
