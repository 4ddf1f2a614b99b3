"""Start a supervisor for a data folder, or wait for the one that starts there, until the stack can be used."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pipeline.errors import StackUnavailable
from pipeline.settings import CONFIG_VARIABLE, ENV_PREFIX, TEST_PREFIX
from pipeline.stack.folder import Folder, open_log, tail
from pipeline.stack.lease import is_locked
from pipeline.stack.spec import Launch
from pipeline.stack.state import StackState, current, read

__all__ = ["STOPPING", "Launcher", "Readiness", "Say", "inherited_environment"]

Say = Callable[[str], None]
"""Takes a line for the user."""

Readiness = Literal["redis", "ready"]
"""What is waited for: `redis` when work may be submitted, `ready` when every worker is up."""

POLL_S = 0.03
MAX_STARTS = 5
COMMAND_SETTINGS = {
    ENV_PREFIX + name for name in ("COLLECTION", "WORKFLOW", "PRIORITY", "LOG_LEVEL", "LOG_TO", "DATA_DIR")
}
"""Settings that only commands read: workers that were started with other values do the same."""

STOPPING = "Waiting for a stack that is just stopping"


class Launcher:
    """Waits for a stack, and starts a supervisor whenever none runs."""

    def __init__(self, folder: Folder, launch: Launch, say: Say) -> None:
        self._folder = folder
        self._launch = launch
        self._say = say
        self._last_line = ""
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._starts = 0
        former = read(folder.state_file)
        self._former_id = former.id if former and not former.runs else ""

    def wait(self, until: Readiness, deadline: float) -> StackState:
        """Wait until the stack can be used; `deadline` is a time of `time.monotonic()`.

        Raises:
            StackUnavailable: it did not start, or not in time.
        """
        while time.monotonic() < deadline:
            state = self.advance(until)
            if state is not None:
                return state
            time.sleep(POLL_S)
        raise StackUnavailable("The stack was not up in time.", f"The logs are in {self._folder.logs}")

    def advance(self, until: Readiness) -> StackState | None:
        """Look at the stack once, and start a supervisor if none runs; its state if it can be used now.

        Raises:
            StackUnavailable: it did not start.
        """
        state = current(self._folder)
        if state and state.usable and until in ("redis", state.level):
            self._warn_of_other_settings(state)
            return state
        self._raise_failure()
        self._say_progress(state)
        if not is_locked(self._folder.stack_lock) and not self._is_starting():
            self._start()
        return None

    def _warn_of_other_settings(self, state: StackState) -> None:
        """Say which settings of the running workers differ from those of this command."""
        wanted, actual = self._launch.settings, state.settings
        different = {name for name in wanted.keys() | actual.keys() if wanted.get(name) != actual.get(name)}
        names = sorted(name.removeprefix(ENV_PREFIX).lower() for name in different - COMMAND_SETTINGS)
        if names:
            self._say(
                f"The running stack was started with other settings, which count until it ends: {', '.join(names)}"
            )

    def _raise_failure(self) -> None:
        state = read(self._folder.state_file)
        if state and state.failure and state.id != self._former_id:
            raise state.failure

    def _is_starting(self) -> bool:
        return self._supervisor is not None and self._supervisor.returncode is None

    def _start(self) -> None:
        """Start a supervisor.

        Raises:
            StackUnavailable: the last one failed, or so many were started in vain.
        """
        self._raise_failure()
        status = self._supervisor.returncode if self._supervisor else 0
        # A status below zero: it was killed by a signal, which is no reason not to start another one.
        if status > 0 or self._starts == MAX_STARTS:
            log = self._folder.log("supervisor")
            reason = tail(log, 1) or f"its supervisor ended with status {status}"
            raise StackUnavailable(f"The stack could not be started: {reason}", f"Look at {log}")
        self._starts += 1
        self._supervisor = _start_supervisor(self._folder, self._launch)

    def _say_progress(self, state: StackState | None) -> None:
        """Tell the user what is waited for, once for each change."""
        if state is None:
            line = f"Starting the stack in {self._folder.data_dir}"
        elif state.level == "stopping":
            line = STOPPING
        else:
            waiting = [process.name for process in state.processes if process.state != "ready"]
            line = f"Waiting for {', '.join(waiting)}"
        if line != self._last_line:
            self._say(line)
            self._last_line = line


def inherited_environment() -> dict[str, str]:
    """The environment of this process without settings, for a process that gets its settings from a `ProcessSpec`.

    PYTHONSAFEPATH keeps Python from importing a `redis.py` of the user from the working folder.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ENV_PREFIX) or name.startswith(TEST_PREFIX)
    }
    if CONFIG_VARIABLE in os.environ:
        environment[CONFIG_VARIABLE] = str(Path(os.environ[CONFIG_VARIABLE]).absolute())
    home = str(Path(__file__).absolute().parents[2])
    if home not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    return {**environment, "PYTHONSAFEPATH": "1"}


def _start_supervisor(folder: Folder, launch: Launch) -> subprocess.Popen[bytes]:
    """Start a supervisor in a session of its own, with the launch on its standard input."""
    with open_log(folder.log("supervisor")) as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.stack.supervisor"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=inherited_environment(),
            start_new_session=True,
        )
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin:  # it ended at once, as its exit status then shows
            process.stdin.write(launch.to_json().encode())
    # It outlives this command; while both run, a thread must read its exit status, or it stays as a zombie.
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()
    return process
