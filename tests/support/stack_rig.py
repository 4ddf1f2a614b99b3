"""Rig of the stack tests: small workers, commands as child processes, and the list of the stack's processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from flow_tools import cmdline, eventually, kill_all

from pipeline.settings import Settings
from pipeline.stack import Launch, ProcessSpec, StackState, running

MARK = "DOCRELAY_TEST_MARK"

FORKING = """
import os, signal, subprocess, sys, time, redis
subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 600"])
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
"""
READY = """
import os, sys, time, redis
redis.Redis.from_url(os.environ["DOCRELAY_REDIS_URL"]).set("docrelay:ready:" + sys.argv[1], os.getpid())
"""
SLEEP = "\ntime.sleep(600)\n"
COMMAND = """
import os, sys
from pathlib import Path
from pipeline.settings import Settings
from pipeline.stack import Launch, connect
settings, launch = Settings(data_dir=Path(sys.argv[1])), Launch.from_json(sys.argv[2])
print("here", flush=True)
for line in sys.stdin:
    if line != "connect\\n":
        break
    with connect(settings, launch=launch) as attached:
        print(attached.redis_url, flush=True)
        if sys.stdin.readline() == "fork\\n" and os.fork() == 0:
            os.execvp("sleep", ["sleep", "600"]) if len(sys.argv) > 3 else __import__("time").sleep(600)
    print("left", flush=True)
"""

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
"""A service."""


class Rig:
    """One data folder, the stack that its tests start, and the processes that carry its mark."""

    def __init__(self, data_dir: Path, mark: str) -> None:
        self.mark = mark
        self.settings = Settings(data_dir=data_dir)
        self.launch = Launch(
            str(data_dir), (worker("w1"), worker("w2")), grace_s=5, lease_interval_s=0.1, restart_delay_s=0.02
        )

    def with_workers(self, *specs: ProcessSpec, **values: Any) -> Launch:
        """The same stack with other workers."""
        return replace(self.launch, processes=specs, **values)

    def ours(self) -> list[psutil.Process]:
        """Every living process of the stack, known by the environment that it inherited, not by the state."""
        return [process for process in psutil.process_iter() if process.pid != os.getpid() and self._is_ours(process)]

    def named(self, word: str) -> list[psutil.Process]:
        """Processes of the stack whose command line has the word."""
        return [process for process in self.ours() if word in " ".join(cmdline(process))]

    def state(self) -> StackState:
        """The state of the running stack."""
        state = running(self.settings)
        assert state is not None
        return state

    def part(self, name: str) -> Any:
        """The state of one process; None while no stack runs."""
        state = running(self.settings)
        processes = state.processes if state else ()
        return next((process for process in processes if process.name == name), None)

    def clear(self) -> None:
        """Kill the processes that a failed test left."""
        kill_all(self.ours())

    def gone(self) -> bool:
        """Whether no process of the stack is left."""
        return running(self.settings) is None and not self.ours()

    @contextmanager
    def command(self, *extra: str, launch: Launch | None = None) -> Iterator[subprocess.Popen[str]]:
        """A command as a child process; it connects when the line `connect` is sent to it."""
        line = [sys.executable, "-c", COMMAND, str(self.settings.data_dir), (launch or self.launch).to_json(), *extra]
        # `MARK` on its own line must not count the command itself among the stack's processes.
        process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        with process:
            try:
                assert hear(process) == "here"
                yield process
            finally:
                process.kill()

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE or "pipeline.settings" in " ".join(process.cmdline()):
                return False
            # A server that renames itself may overwrite its environment, so the folder that it works in counts too.
            return process.environ().get(MARK) == self.mark or process.cwd() == f"{self.launch.data_dir}/run/redis"
        except psutil.Error:
            return False


@contextmanager
def checked_rig(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A rig whose stack must have ended, a while after the block, without leaving a process."""
    mark = uuid4().hex
    monkeypatch.setenv(MARK, mark)
    rig = Rig(folder, mark)
    yield rig
    left = [] if eventually(rig.gone) else [cmdline(process) for process in rig.ours()]
    rig.clear()
    assert not left


def worker(name: str, code: str = FORKING + READY + SLEEP) -> ProcessSpec:
    """A worker of a few lines."""
    return ProcessSpec(name, (sys.executable, "-c", code, name))


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@contextmanager
def up(rig: Rig, *services: ProcessSpec, launch: Launch | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the stack with these services, as `docrelay up` does; it is killed at the end."""
    specs = json.dumps([asdict(spec) for spec in services])
    line = [sys.executable, "-c", HOLD, str(rig.settings.data_dir), (launch or rig.launch).to_json(), specs]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str], words: str) -> bool:
    return eventually(lambda: words in hear(process))
