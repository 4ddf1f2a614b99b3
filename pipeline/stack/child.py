"""One part of the stack as a process: started, watched, started again, ended with all it left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil

from pipeline.backoff import backoff_s
from pipeline.stack.folder import Folder, bound, tail
from pipeline.stack.session import Session, is_dead
from pipeline.stack.spec import UNUSABLE, ProcessSpec
from pipeline.stack.state import Phase, ProcessState
from pipeline.stack.warden import Warden

__all__ = ["Child"]

QUICK_DEATH_S = 30.0
LONGEST_DELAY_S = 10.0

HOPELESS = 3
"""A part that has said itself that it cannot work is tried once more: what it lacked may have been on its way."""


class Child:
    """A process that is to live; the leader of a session of its own.

    `failed_starts` counts the deaths in a row without ever having been ready: a part that cannot work. One that says
    so itself, by the status `UNUSABLE`, counts for several.
    A part that was ready and is killed again and again is started again for ever, ever more slowly.
    """

    def __init__(self, spec: ProcessSpec, folder: Folder, warden: Warden, restart_delay_s: float) -> None:
        self.spec = spec
        self.restarts = 0
        self.failed_starts = 0
        self.ready = False
        self._folder = folder
        self._warden = warden
        self._first_delay_s = restart_delay_s
        self._quick_deaths = 0
        self._not_before = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._session: Session | None = None
        self._started = 0.0
        self._created = 0.0

    @property
    def sid(self) -> int | None:
        """Its session, which is its pid; None while it does not run."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """What it prints goes here."""
        return self._folder.log(self.spec.name)

    @property
    def due(self) -> bool:
        """Whether it is time to start it."""
        return self._process is None and time.monotonic() >= self._not_before

    @property
    def died(self) -> bool:
        """Whether it ended by itself; it is not reaped yet, so that its number stays its own until `bury`."""
        return self._process is not None and is_dead(self._process.pid)

    def start(self, environment: dict[str, str], configuration: bytes = b"") -> None:
        """Start it with `environment` and `configuration` as its whole standard input.

        Raises:
            OSError: the program cannot be run.
        """
        bound(self.log)
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as log:
            self._process = subprocess.Popen(
                self.spec.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**environment, **self.spec.environment},
                cwd=self.spec.folder,
                start_new_session=True,
                preexec_fn=self._warden.announcer(),  # safe: the others only wait or ask
            )
        self._session = Session(self._process.pid)
        self._started, self._created = time.monotonic(), _created(self._process.pid)
        self._hand_over(configuration)

    def mourn(self) -> None:
        """After its death: end what it left behind and set the time of its next start."""
        quick = time.monotonic() - self._started < QUICK_DEATH_S
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        was_ready, process = self.ready, self._process
        self.restarts += 1
        self._not_before = time.monotonic() + backoff_s(self._quick_deaths, self._first_delay_s, LONGEST_DELAY_S)
        self.bury()
        hopeless = process is not None and process.returncode == UNUSABLE
        self.failed_starts = 0 if was_ready else self.failed_starts + (HOPELESS if hopeless else 1)

    def terminate(self) -> None:
        """Ask it to finish what it does and end."""
        if self._process is not None and not self.died:
            self._process.send_signal(signal.SIGTERM)

    def bury(self) -> None:
        """Kill its session, whoever is in it, and take leave of its number."""
        if self._process is None or self._session is None:
            return
        self._session.kill()
        self._process.wait()
        self._warden.drop(self._process.pid)
        self._process, self._session, self.ready = None, None, False

    def owns(self, pid: int) -> bool:
        """Whether a process with this number belongs to it."""
        try:
            return os.getsid(pid) == self.sid
        except OSError:
            return False

    def last_words(self) -> str:
        """The last lines that it printed."""
        return tail(self.log)

    def state(self) -> ProcessState:
        """Where it stands."""
        phase: Phase = "waiting" if self._process is None else "ready" if self.ready else "starting"
        return ProcessState(self.spec.name, self.sid, self._created, phase, self.restarts)

    def _hand_over(self, configuration: bytes) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(configuration)
            self._process.stdin.close()
        except BrokenPipeError:  # it died already; `died` says so
            return


def _created(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0
