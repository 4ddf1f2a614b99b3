"""The warden: a process that kills the processes of a stack if their supervisor was killed.

A supervisor that is frozen is killed by its warden, which then does the same: commands notice, and start another one.

It runs in a session of its own and reads lines `add SID` and `drop SID` from a pipe. Only the supervisor holds the
other end of the pipe, so the end of the input means that the supervisor has ended, whatever ended it: then the warden
kills every process of the sessions that were added and not dropped. It holds a lock (an inherited descriptor) until
that is done; the next supervisor waits for the lock.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from pipeline.stack.folder import Folder, open_log
from pipeline.stack.frozen import Vigil
from pipeline.stack.lease import FileLock
from pipeline.stack.session import Session, creation_time, identity

__all__ = ["Warden", "main"]

LOOK_S = 1.0


class Warden:
    """The supervisor's side: starts the warden process and sends it the sessions to kill.

    `lock` is the file that the process locks as long as it runs; None for `warden_lock` of the folder. `stopped_s` is
    how long this process may be stopped by a signal before the warden kills it; None for any time: Ctrl-Z stops what
    runs in a terminal.
    """

    def __init__(self, folder: Folder, lock: Path | None = None, stopped_s: float | None = None) -> None:
        self.created = 0.0
        self.identity = ""
        self._folder = folder
        self._stopped_s = stopped_s
        self._vigil = Vigil()
        self._lock = lock or folder.warden_lock
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Pid of the process; None before the first `ensure`."""
        return self._process.pid if self._process else None

    def ensure(self, sessions: Iterable[int]) -> None:
        """Start the process if it does not run or is frozen, and send all `sessions` to a new one."""
        if self._process is not None and self._vigil.look(self._process.pid):
            self._process.kill()
            self._process.wait()
        if self._process is not None and self._process.poll() is None:
            return
        self._close_pipe()
        self._start()
        for sid in sessions:
            self._send(f"add {sid}\n")

    def preexec_function(self) -> Callable[[], None]:
        """For `preexec_fn` of a child: between fork and exec the child adds itself, so that it is never unguarded."""
        descriptor = self._pipe().fileno()
        return lambda: _add_own_session(descriptor)

    def drop(self, sid: int) -> None:
        """Forget a session that has ended: its number may be given to another process."""
        self._send(f"drop {sid}\n")

    def close(self) -> None:
        """Close the pipe and wait for the end of the process, which kills the sessions that were not dropped."""
        self._close_pipe()
        if self._process is not None:
            self._process.wait()

    def _start(self) -> None:
        """Start the process, which inherits the lock."""
        with FileLock(self._lock) as lock, open_log(self._folder.log(self._lock.stem)) as log:
            lock.acquire(shared=True)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.stack.warden", *([str(self._stopped_s)] if self._stopped_s else [])],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
                start_new_session=True,
                pass_fds=() if lock.descriptor is None else (lock.descriptor,),
            )
        self.created, self.identity = creation_time(self._process.pid), identity(self._process.pid)

    def _pipe(self) -> IO[bytes]:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the warden was not started")
        return self._process.stdin

    def _send(self, line: str) -> None:
        try:
            self._pipe().write(line.encode())
        except BrokenPipeError:
            return

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def _add_own_session(descriptor: int) -> None:
    os.write(descriptor, f"add {os.getpid()}\n".encode())


def _kill_frozen(supervisor: int, vigil: Vigil) -> None:
    """Kill the supervisor when it is frozen; the end of the pipe then ends this process too."""
    while os.getppid() == supervisor:
        if vigil.look(supervisor):
            os.kill(supervisor, signal.SIGKILL)
            return
        time.sleep(min(LOOK_S, vigil.stopped_s / 4))


def main() -> None:
    """The process: read until the end of the input, then kill the sessions that are left."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if len(sys.argv) > 1:
        vigil = Vigil(stopped_s=float(sys.argv[1]))
        threading.Thread(target=_kill_frozen, args=(os.getppid(), vigil), daemon=True).start()
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
