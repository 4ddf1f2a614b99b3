"""The warden: ends what a killed supervisor left behind.

A separate process in a session of its own that reads `add SID` and `drop SID` from a pipe. Only the
supervisor holds the other end, so the end of the input means that it is gone, whatever ended it: then
every process of the sessions that are left is killed. Its lock (an inherited descriptor) tells the next
supervisor when that is done.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from pipeline.stack.folder import Folder
from pipeline.stack.lease import FileLock
from pipeline.stack.session import Session

__all__ = ["Warden", "main"]


class Warden:
    """The supervisor's end: starts the warden process and keeps it informed.

    `lock` is held as long as the process lives; None takes the stack's own.
    """

    def __init__(self, folder: Folder, lock: Path | None = None) -> None:
        self._folder = folder
        self._lock = lock or folder.warden
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process, None before the first `ensure`."""
        return self._process.pid if self._process else None

    def ensure(self, sessions: Iterable[int]) -> None:
        """Start it if it does not live, and tell a new one about all `sessions`."""
        if self._process is not None and self._process.poll() is None:
            return
        self._close_pipe()
        self._start()
        for sid in sessions:
            self._tell(f"add {sid}\n")

    def announcer(self) -> Callable[[], None]:
        """What a child calls between fork and exec: it announces itself, so that no instant is unguarded."""
        descriptor = self._pipe().fileno()
        return lambda: _announce(descriptor)

    def drop(self, sid: int) -> None:
        """The session has ended: its number is nobody's any more."""
        self._tell(f"drop {sid}\n")

    def close(self) -> None:
        """End the input and wait until the warden has ended, having killed what was not dropped."""
        self._close_pipe()
        if self._process is not None:
            self._process.wait()

    def _start(self) -> None:
        with FileLock(self._lock) as lock, _open_log(self._folder.log(self._lock.stem)) as log:
            lock.acquire(shared=True)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.stack.warden"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
                start_new_session=True,
                pass_fds=() if lock.descriptor is None else (lock.descriptor,),
            )

    def _pipe(self) -> IO[bytes]:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the warden was not started")
        return self._process.stdin

    def _tell(self, line: str) -> None:
        try:
            self._pipe().write(line.encode())
        except BrokenPipeError:
            return

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def _announce(descriptor: int) -> None:
    os.write(descriptor, f"add {os.getpid()}\n".encode())


def _open_log(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")


def main() -> None:
    """Read until the end of the input, then kill what is left."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: dict[int, Session] = {}
    for line in sys.stdin:
        verb, _, number_text = line.strip().partition(" ")
        if verb == "add":
            sessions[int(number_text)] = Session(int(number_text))
        else:
            sessions.pop(int(number_text), None)
    for session in sessions.values():
        session.kill()


if __name__ == "__main__":
    main()
