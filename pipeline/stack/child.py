"""One process of the stack for its supervisor: start it, watch it, restart it, kill it with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from pipeline.backoff import backoff_s
from pipeline.stack.folder import Folder, open_log, tail
from pipeline.stack.frozen import Vigil
from pipeline.stack.session import Session, creation_time, identity, is_dead
from pipeline.stack.spec import UNUSABLE, ProcessSpec
from pipeline.stack.state import Phase, ProcessState
from pipeline.stack.warden import Warden

__all__ = ["Child"]

QUICK_EXIT_S = 30.0
"""An exit sooner than this after the start delays the next start."""

LONGEST_DELAY_S = 10.0

UNUSABLE_WEIGHT = 3
"""An exit with status `UNUSABLE` counts for so many failed starts: the process gets one more try in case what it
misses was just being installed."""


class Child:
    """A process that is kept running; the leader of a session of its own.

    `failed_starts` counts exits in a row before the process was ever ready: the supervisor gives up after some. A
    process that was ready is restarted without limit, with delays that grow while it ends soon after each start.
    """

    def __init__(
        self, spec: ProcessSpec, folder: Folder, warden: Warden, restart_delay_s: float, vigil: Vigil | None = None
    ) -> None:
        self.spec = spec
        self.vigil = vigil or Vigil()
        self.restarts = 0
        self.frozen = 0
        self.reason = ""
        self.failed_starts = 0
        self.ready = False
        self._folder = folder
        self._warden = warden
        self._first_delay_s = restart_delay_s
        self._quick_exits = 0
        self._next_start = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._session: Session | None = None
        self._started = 0.0
        self._created = 0.0
        self._identity = ""

    @property
    def sid(self) -> int | None:
        """Id of its session, which is its pid too; None while it does not run."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """The file for its output."""
        return self._folder.log(self.spec.name)

    @property
    def is_due(self) -> bool:
        """Whether it does not run and the delay before its next start is over."""
        return self._process is None and time.monotonic() >= self._next_start

    @property
    def has_exited(self) -> bool:
        """Whether it ended by itself; `kill` reads its exit status later, so its pid is not reused until then."""
        return self._process is not None and is_dead(self._process.pid)

    def start(self, environment: dict[str, str], configuration: bytes = b"") -> None:
        """Start it.

        Args:
            environment: its environment, to which that of the `ProcessSpec` is added.
            configuration: its whole standard input.

        Raises:
            OSError: the program cannot be run.
        """
        with open_log(self.log) as log:
            self._process = subprocess.Popen(
                self.spec.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**environment, **self.spec.environment},
                cwd=self.spec.folder,
                start_new_session=True,
                preexec_fn=self._warden.preexec_function(),  # safe: other threads here only wait for children
            )
        self._session = Session(self._process.pid)
        self._started = time.monotonic()
        self._created, self._identity = creation_time(self._process.pid), identity(self._process.pid)
        self._write_input(configuration)

    def handle_exit(self) -> None:
        """After it has exited: kill what it started and set the time of its next start."""
        quick = time.monotonic() - self._started < QUICK_EXIT_S
        self._quick_exits = self._quick_exits + 1 if quick else 0
        was_ready, process = self.ready, self._process
        self.restarts += 1
        self.reason = "died"
        self._next_start = time.monotonic() + backoff_s(self._quick_exits, self._first_delay_s, LONGEST_DELAY_S)
        self.kill()
        unusable = process is not None and process.returncode == UNUSABLE
        self.failed_starts = 0 if was_ready else self.failed_starts + (UNUSABLE_WEIGHT if unusable else 1)

    def replace_frozen(self) -> None:
        """Kill it, with what it started, and set the time of its next start: it is frozen, which is no failed start."""
        failed_starts = self.failed_starts
        self.handle_exit()
        self.failed_starts = failed_starts
        self.frozen += 1
        self.reason = "frozen"

    def terminate(self) -> None:
        """Send SIGTERM: it may finish its work and end."""
        if self._process is not None and not self.has_exited:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill all processes of its session and read its exit status; from then on its pid may be reused."""
        if self._process is None or self._session is None:
            return
        self._session.kill()
        self._process.wait()
        self._warden.drop(self._process.pid)
        self._process, self._session, self.ready = None, None, False

    def owns(self, pid: int) -> bool:
        """Whether the process with this pid is in its session."""
        try:
            return os.getsid(pid) == self.sid
        except OSError:
            return False

    def last_output(self) -> str:
        """The last lines of its output."""
        return tail(self.log)

    def state(self) -> ProcessState:
        """Its state for `stack.json`."""
        phase: Phase = "waiting" if self._process is None else "ready" if self.ready else "starting"
        ends = (self.restarts, self.frozen, self.reason)
        return ProcessState(self.spec.name, self.sid, self._created, phase, *ends, self._identity)

    def _write_input(self, configuration: bytes) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(configuration)
            self._process.stdin.close()
        except BrokenPipeError:  # it has exited already, which `has_exited` reports
            return
