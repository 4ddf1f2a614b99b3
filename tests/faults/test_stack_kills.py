"""SIGKILL for every process of the private stack: no orphans, and the other processes continue if they can."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import redis
from flow_tools import eventually
from gates import FOLDER, Gates
from stack_rig import FORKING, READY, SLEEP, WEB, Rig, checked_rig, hear, heard, tell, up, worker

from pipeline.errors import StackLost, StackUnavailable
from pipeline.gates_for_tests import SUPERVISOR
from pipeline.stack import check, connect, running


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with checked_rig(tmp_path / "data", monkeypatch) as rig:
        yield rig


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gates:
    """The gates of the stacks that commands start."""
    test_gates = Gates(tmp_path / "gates")
    monkeypatch.setenv(FOLDER, str(test_gates.folder))
    return test_gates


def _warden(rig: Rig) -> psutil.Process | None:
    return next(iter(rig.named("pipeline.stack.warden")), None)


def test_killed_command_ends_the_stack(rig: Rig) -> None:
    with rig.command() as command:
        tell(command, "connect")
        assert hear(command).startswith("redis://")
        assert eventually(lambda: rig.state().level == "ready")
        command.kill()
        assert eventually(rig.gone)


def test_command_killed_while_the_stack_starts(rig: Rig, gates: Gates) -> None:
    with rig.command() as command:
        with gates.closed(SUPERVISOR):
            tell(command, "connect")
            gates.arrived(SUPERVISOR)
            command.kill()
            command.wait()
        assert eventually(rig.gone)


def test_killed_supervisor_leaves_no_process(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch) as attached:
        os.kill(rig.state().pid, signal.SIGKILL)
        assert eventually(rig.gone)
        with pytest.raises(StackUnavailable, match="ended while"):
            check(attached)
        with connect(rig.settings, until="ready", launch=rig.launch) as again:
            assert again.redis_url != attached.redis_url
            check(again)


def test_supervisor_killed_before_its_first_message(rig: Rig, gates: Gates) -> None:
    with rig.command() as command:
        with gates.closed(SUPERVISOR):
            tell(command, "connect")
            (first,) = gates.arrived(SUPERVISOR)
            os.kill(first.pid, signal.SIGKILL)
        assert hear(command).startswith("redis://")
        assert rig.state().pid != first.pid
        assert eventually(lambda: rig.state().level == "ready")


@pytest.mark.parametrize("after", range(4))
def test_supervisor_killed_while_it_starts_processes(rig: Rig, after: int) -> None:
    with rig.command() as command:
        tell(command, "connect")
        assert eventually(lambda: len(rig.ours()) > after)
        for supervisor in rig.named("pipeline.stack.supervisor"):
            supervisor.kill()
        command.kill()
        assert eventually(rig.gone)


def test_warden_killed_before_the_supervisor(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch) as attached:
        first = _warden(rig)
        assert first is not None
        first.kill()
        assert eventually(lambda: (now := _warden(rig)) is not None and now.pid != first.pid)
        check(attached)
        assert rig.state().level == "ready"
        os.kill(rig.state().pid, signal.SIGKILL)
        assert eventually(rig.gone)


def test_supervisor_and_warden_killed_together_are_cleaned_up_by_the_next_stack(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch):
        left = {part.pid for part in rig.state().processes}
        warden = _warden(rig)
        assert warden is not None
        warden.suspend()
        os.kill(rig.state().pid, signal.SIGKILL)
        warden.kill()
        assert eventually(lambda: running(rig.settings) is None)
        assert left <= {process.pid for process in rig.ours()}
        with connect(rig.settings, until="ready", launch=rig.launch):
            assert not left & {process.pid for process in rig.ours()}
            assert eventually(lambda: len(rig.ours()) == 11)


def test_killed_redis_is_restarted(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch) as attached:
        os.kill(rig.part("redis").pid, signal.SIGKILL)
        assert eventually(lambda: rig.part("redis").restarts == 1)
        assert eventually(lambda: rig.state().level == "ready")
        with redis.Redis.from_url(str(attached.redis_url)) as client:
            assert client.ping()
        check(attached)


def test_killed_worker_is_restarted(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch):
        first = rig.part("w1").pid
        family = [process.pid for process in rig.ours() if os.getsid(process.pid) == first]
        assert eventually(lambda: len(rig.ours()) == 11)
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: rig.part("w1").restarts == 1)
        assert eventually(lambda: rig.state().level == "ready")
        assert rig.part("w1").pid != first
        assert not {process.pid for process in rig.ours()} & set(family)
        assert rig.part("w2").restarts == 0


def test_repeatedly_killed_worker_is_restarted_after_it_was_ready(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch):
        for count in range(1, 7):
            os.kill(rig.part("w2").pid, signal.SIGKILL)
            assert eventually(partial(_is_up_again, rig, count))


def _is_up_again(rig: Rig, restarts: int) -> bool:
    return bool(rig.part("w2").restarts == restarts and rig.state().level == "ready")


def test_up_starts_a_stack_again_whose_supervisor_was_killed(rig: Rig) -> None:
    with up(rig, WEB) as process:
        assert heard(process, "The stack is ready")
        former = rig.state()
        service = {found.pid for found in rig.named(" web")}
        os.kill(former.pid, signal.SIGKILL)
        assert heard(process, "The supervisor of the stack was killed")
        assert heard(process, "The stack is ready")
        assert rig.state().redis_url != former.redis_url
        assert not service & {found.pid for found in rig.named(" web")}
        web = next(found for found in rig.named(" web") if os.getsid(found.pid) == found.pid)
        assert web.environ()["DOCRELAY_REDIS_URL"] == rig.state().redis_url
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0


def test_up_ends_when_a_killed_stack_cannot_start_again(rig: Rig, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.touch()
    code = f"import sys, os; os.path.exists({str(allowed)!r}) or sys.exit('the setting is wrong')"
    picky = worker("picky", code + FORKING + READY + SLEEP)
    with up(rig, launch=rig.with_workers(picky, max_failed_starts=2)) as process:
        assert heard(process, "The stack is ready")
        allowed.unlink()
        os.kill(rig.state().pid, signal.SIGKILL)
        assert eventually(lambda: process.poll() is not None)
        assert process.returncode != 0
        assert process.stdout is not None
        assert "The supervisor of the stack was killed" in process.stdout.read()
    assert eventually(rig.gone)


def test_two_connected_commands_learn_that_the_stack_is_lost_and_connect_again(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch) as attached:
        with rig.command() as other:
            tell(other, "connect")
            assert hear(other) == attached.redis_url
            os.kill(rig.state().pid, signal.SIGKILL)
            assert eventually(lambda: running(rig.settings) is None)
            with pytest.raises(StackLost):
                check(attached)
        with connect(rig.settings, until="ready", launch=rig.launch) as again:
            # The state is that of another stack now, which says nothing of this Redis.
            with pytest.raises(StackLost):
                check(attached)
            check(again)
