"""The private stack: found, started, shared, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import redis
from flow_tools import cmdline, eventually
from redis.backoff import NoBackoff
from redis.retry import Retry
from stack_rig import READY, SLEEP, Rig, checked_rig, hear, heard, tell, up, worker

from pipeline.errors import BadRequest, StackUnavailable
from pipeline.settings import Settings
from pipeline.stack import Launch, ProcessSpec, check, connect, hold, peek, running
from pipeline.stack import redis_server as servers

NO_RETRY = Retry(NoBackoff(), 0)
HOLD = """
import sys
from pathlib import Path
from pipeline.settings import Settings
from pipeline.stack import Launch, hold
hold(Settings(data_dir=Path(sys.argv[1])), lambda line: print(line, flush=True), Launch.from_json(sys.argv[2]))
"""
SLOW_STOP = """
import signal
from pathlib import Path
def stop(*_):
    while not Path(sys.argv[2], "may stop").exists():
        time.sleep(0.05)
    Path(sys.argv[2], "stopped").touch()
    sys.exit()
signal.signal(signal.SIGTERM, stop)
"""
END_WHEN_THERE_IS = """
import time
from pathlib import Path
while not Path("{file}").exists():
    time.sleep(0.05)
raise SystemExit("no space left")
"""


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with checked_rig(tmp_path / "data", monkeypatch) as rig:
        yield rig


def test_stack_starts_and_leaves_nothing(rig: Rig) -> None:
    lines: list[str] = []
    with connect(rig.settings, lines.append, until="ready", launch=rig.launch) as attached:
        with redis.Redis.from_url(str(attached.redis_url)) as client:
            assert client.ping()
        assert rig.state().level == "ready"
        assert [part.name for part in rig.state().processes] == ["redis", "w1", "w2"]
        # supervisor, warden, redis, and twice: worker, shell, its sleep, forked child
        assert eventually(lambda: len(rig.ours()) == 11)
    assert lines[0] == f"Starting the stack in {rig.settings.data_dir}"
    assert eventually(rig.gone)
    assert running(rig.settings) is None


def test_password_is_in_no_command_line_and_files_are_private(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch) as attached:
        password = str(attached.redis_url).split("@")[0].removeprefix("redis://:")
        assert len(password) > 20
        assert not [process for process in rig.ours() if password in " ".join(cmdline(process))]
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=rig.state().port, retry=NO_RETRY).ping()
        for path in [rig.settings.data_dir, *rig.settings.data_dir.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_redis_keeps_nothing_on_disk_and_evicts_nothing(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.launch) as attached:
        wanted = {"save": "", "appendonly": "no", "maxmemory-policy": "noeviction", "bind": "127.0.0.1"}
        with redis.Redis.from_url(str(attached.redis_url), decode_responses=True) as client:
            assert {name: client.config_get(name)[name] for name in wanted} == wanted


@pytest.mark.parametrize("name", ["with spaces and Umläute", "quo'te\"s $HOME %s", "/".join(["long" * 20] * 6)])
def test_stack_runs_in_a_folder_of_any_name(rig: Rig, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    there = Rig(folder, rig.mark)
    with connect(there.settings, until="ready", launch=there.with_workers(worker("w", READY + SLEEP))):
        assert there.state().level == "ready"
    assert eventually(there.gone)


def test_two_commands_at_the_same_instant_share_one_stack(rig: Rig) -> None:
    launch = rig.with_workers()
    with rig.command(launch=launch) as first, rig.command(launch=launch) as second:
        for _ in range(10):
            tell(first, "connect")
            tell(second, "connect")
            assert hear(first) == hear(second) != ""
            assert eventually(lambda: len(rig.named("pipeline.stack.supervisor")) == 1)
            assert len(rig.named("redis-server")) == 1
            tell(first, "leave")
            tell(second, "leave")
            assert (hear(first), hear(second)) == ("left", "left")
            assert eventually(rig.gone)


def test_a_second_command_keeps_the_stack_of_the_first(rig: Rig) -> None:
    with rig.command() as first:
        tell(first, "connect")
        url = hear(first)
        with connect(rig.settings, launch=rig.launch) as attached:
            assert attached.redis_url == url
            first.kill()
            first.wait()
            assert not eventually(lambda: running(rig.settings) is None, 1.0)
            check(attached)


def test_joining_a_stack_that_shuts_down_starts_another(rig: Rig, tmp_path: Path) -> None:
    slow = worker("slow", "import sys, time" + SLOW_STOP + READY + SLEEP)
    launch = rig.with_workers(replace(slow, command=(*slow.command, str(tmp_path))), grace_s=120)
    with connect(rig.settings, until="ready", launch=launch):
        first = rig.state().id
    assert eventually(lambda: rig.state().level == "stopping")

    def say(line: str) -> None:
        if "just stopping" in line:
            (tmp_path / "may stop").touch()

    with connect(rig.settings, say, launch=launch):
        assert (tmp_path / "stopped").exists()
        assert rig.state().id != first


def test_a_worker_that_ignores_sigterm_is_killed_after_the_grace(rig: Rig) -> None:
    stubborn = worker("stubborn", "import signal; signal.signal(15, signal.SIG_IGN)" + READY + SLEEP)
    with connect(rig.settings, until="ready", launch=rig.with_workers(stubborn, grace_s=0.3)):
        pass
    assert eventually(rig.gone)


def test_stack_lingers_for_the_next_command(rig: Rig) -> None:
    launch = rig.with_workers(linger_s=600)
    with connect(rig.settings, launch=launch) as attached:
        url = attached.redis_url
    assert not eventually(lambda: running(rig.settings) is None, 0.8)
    with connect(rig.settings, launch=launch) as attached:
        assert attached.redis_url == url
    os.kill(rig.state().pid, signal.SIGTERM)


def test_stack_ends_after_the_last_command(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.with_workers(linger_s=0.5)):
        pass
    assert eventually(rig.gone)


@pytest.mark.parametrize("how", [(), ("exec",)], ids=["fork", "fork and exec"])
def test_forked_child_of_a_command_does_not_keep_the_stack(rig: Rig, how: tuple[str, ...]) -> None:
    with rig.command(*how) as command:
        tell(command, "connect")
        hear(command)
        tell(command, "fork")
        assert hear(command) == "left"
        supervisors = rig.named("pipeline.stack.supervisor")
        (child,) = [process for process in psutil.Process(command.pid).children() if process not in supervisors]
        assert eventually(lambda: running(rig.settings) is None)
        assert child.is_running()
        child.kill()


def test_worker_that_keeps_dying_fails_the_start(rig: Rig) -> None:
    broken = worker("broken", "import sys; sys.exit('the model is missing')")
    with (
        pytest.raises(StackUnavailable, match=r"broken ends again and again .* the model is missing") as caught,
        connect(rig.settings, until="ready", launch=rig.with_workers(broken, worker("fine"))),
    ):
        raise AssertionError("it cannot become ready")
    assert "broken.out" in caught.value.hint


def test_stack_lost_inside_the_block_gives_its_reason(rig: Rig, tmp_path: Path) -> None:
    may_end = tmp_path / "may end"
    late = worker("late", END_WHEN_THERE_IS.format(file=may_end))
    with (
        pytest.raises(StackUnavailable, match="no space left"),
        connect(rig.settings, launch=rig.with_workers(late)) as attached,
    ):
        _use_until_it_is_lost(attached, may_end)


def _use_until_it_is_lost(attached: Settings, may_end: Path) -> None:
    may_end.touch()
    with redis.Redis.from_url(str(attached.redis_url), retry=NO_RETRY) as client:
        while client.ping():
            time.sleep(0.05)


def test_missing_worker_program_fails_the_start(rig: Rig) -> None:
    missing = replace(worker("missing"), command=("/does/not/exist",))
    with (
        pytest.raises(StackUnavailable, match=r"missing cannot be run: .*/does/not/exist"),
        connect(rig.settings, until="ready", launch=rig.with_workers(missing)),
    ):
        raise AssertionError("it cannot become ready")


def test_missing_redis_server_fails_the_start(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(StackUnavailable, match="found on this machine: install redis-server or valkey-server") as caught,
        connect(rig.settings, launch=replace(rig.launch, bundled_redis=False)),
    ):
        raise AssertionError("there is no server")
    assert "apt install redis-server" in caught.value.hint


def test_redis_server_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    valkey = tmp_path / "valkey-server"
    valkey.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert servers.find_server() == str(valkey)


def test_unwritable_data_folder_fails_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackUnavailable, match="cannot be used"), connect(Settings(data_dir=tmp_path / "file" / "x")):
        raise AssertionError("there is no folder")


def test_redis_by_url_is_used_and_nothing_started(rig: Rig, tmp_path: Path) -> None:
    with connect(rig.settings, launch=rig.with_workers()) as attached:
        elsewhere = attached.model_copy(update={"data_dir": tmp_path / "elsewhere"})
        with connect(elsewhere) as same, peek(elsewhere) as peeked:
            assert same == peeked == elsewhere
            check(same)
        assert running(elsewhere) is None
        assert not (tmp_path / "elsewhere").exists()
    assert eventually(rig.gone)
    with pytest.raises(StackUnavailable, match=r"127\.0\.0\.1 does not answer"), connect(elsewhere):
        raise AssertionError("no server listens there")
    with peek(elsewhere) as peeked:
        assert peeked is None


def test_peek_starts_nothing(rig: Rig) -> None:
    with peek(rig.settings) as peeked:
        assert peeked is None
    assert not rig.settings.data_dir.exists()
    with connect(rig.settings, launch=rig.with_workers()) as attached, peek(rig.settings) as peeked:
        assert peeked == attached
    assert eventually(rig.gone)
    with peek(rig.settings) as peeked:
        assert peeked is None


def test_a_removed_data_folder_ends_the_stack(rig: Rig) -> None:
    with connect(rig.settings, until="ready", launch=rig.launch):
        shutil.rmtree(rig.settings.data_dir)
        assert eventually(lambda: not rig.ours())


def _hold(rig: Rig) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", HOLD, str(rig.settings.data_dir), rig.launch.to_json()]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_hold_until_a_signal(rig: Rig, number: signal.Signals) -> None:
    with _hold(rig) as up:
        assert eventually(lambda: "The stack is ready" in hear(up))
        up.send_signal(number)
        assert up.wait(120) == 0
        assert hear(up) == "The stack has ended"
        assert rig.gone()


def test_hold_waits_for_other_commands_or_for_a_second_signal(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.launch) as attached, _hold(rig) as up:
        assert eventually(lambda: "The stack is ready" in hear(up))
        up.send_signal(signal.SIGINT)
        assert "Other commands still use the stack" in hear(up)
        check(attached)
        up.send_signal(signal.SIGINT)
        assert up.wait(120) == 0
        assert rig.gone()
        with pytest.raises(StackUnavailable, match="ended while"):
            check(attached)


def test_hold_goes_on_after_one_that_was_killed(rig: Rig) -> None:
    with connect(rig.settings, launch=rig.launch), up(rig) as first:
        assert heard(first, "The stack is ready")
        first.kill()
        with up(rig) as second:
            assert heard(second, "The stack is ready")


def test_hold_waits_for_one_that_is_stopping(rig: Rig) -> None:
    with up(rig) as first, ExitStack() as scope:
        with connect(rig.settings, launch=rig.launch):
            assert heard(first, "The stack is ready")
            first.send_signal(signal.SIGTERM)
            assert "Other commands still use the stack" in hear(first)
            second = scope.enter_context(up(rig))
            assert hear(second) == f"Waiting for a `docrelay up` that is just stopping (pid {first.pid})"
        assert heard(second, "The stack is ready")
        assert first.wait(120) == 0
        second.send_signal(signal.SIGTERM)
        assert second.wait(120) == 0
        assert rig.gone()


def test_hold_refuses_a_stack_with_redis_by_url() -> None:
    with pytest.raises(BadRequest):
        hold(Settings(redis_url="redis://127.0.0.1:1/0"), print)


def test_command_started_with_ignored_signals_works(rig: Rig) -> None:
    former = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGCHLD, signal.SIGINT)}
    try:
        with rig.command() as command:
            tell(command, "connect")
            assert hear(command).startswith("redis://")
            assert eventually(lambda: rig.state().level == "ready")
            os.kill(rig.part("w1").pid, signal.SIGKILL)
            assert eventually(lambda: rig.part("w1").restarts == 1)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def test_command_with_other_settings_than_the_stack_is_refused(tmp_path: Path) -> None:
    """It joins the running stack, whose workers keep what they were started with."""
    idle = (sys.executable, "-c", "import time; time.sleep(600)")
    launch = Launch(str(tmp_path), (ProcessSpec("idle", idle, {"DOCRELAY_OCR_LANGUAGES": "deu"}),))
    two = Launch(
        str(tmp_path), (ProcessSpec("idle", idle, {"DOCRELAY_OCR_LANGUAGES": "eng", "DOCRELAY_PRIORITY": "9"}),)
    )
    said: list[str] = []
    settings = Settings(data_dir=tmp_path)
    with connect(settings, launch=launch):
        with connect(settings, said.append, launch=launch):
            assert not [line for line in said if "other settings" in line]
        with connect(settings, said.append, launch=two):
            pass
    assert [line for line in said if line.endswith("until it ends: ocr_languages")]
