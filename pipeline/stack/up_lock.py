"""The lock of `docrelay up`: one per data folder holds the stack in the foreground and runs the services.

Two would stop badly: each takes the other one for a command that still uses the stack. The process that holds the lock
writes its pid into the locked file, so that a second one can name it. The kernel releases the lock of a process that
was killed, and what it has written then counts no more.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from pipeline.errors import AlreadyUp
from pipeline.stack.folder import Folder
from pipeline.stack.launcher import Say
from pipeline.stack.lease import FileLock
from pipeline.stack.session import creation_time, identity
from pipeline.stack.state import is_same_process

__all__ = ["UpLock", "only_up"]

MOMENT_S = 0.5
"""A child that a killed process was just starting may keep the lock for an instant."""

ELSEWHERE = "Or use another folder: docrelay up --data-dir DIR --api-port 0"


@dataclass(frozen=True, slots=True)
class _Holder:
    """The process that holds the lock; `identity` where the system tells it, `created` in seconds since 1970."""

    pid: int
    created: float
    identity: str
    stopping: bool = False

    @property
    def runs(self) -> bool:
        return is_same_process(self.pid, self.created, self.identity)


class UpLock:
    """The lock while this process holds it."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock
        self._write()

    def note_stopping(self) -> None:
        """Write down that this process is stopping: the next `docrelay up` then waits for its end."""
        self._write(stopping=True)

    def _write(self, *, stopping: bool = False) -> None:
        descriptor, pid = self._lock.descriptor, os.getpid()
        if descriptor is None:
            return
        holder = _Holder(pid, creation_time(pid), identity(pid), stopping)
        with suppress(OSError):  # a full disk: a second one is refused all the same, by a sentence without the pid
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)


@contextmanager
def only_up(folder: Folder, say: Say, timeout_s: float) -> Iterator[UpLock]:
    """Hold the lock for the block; one that is stopping is waited for at most `timeout_s`.

    Raises:
        AlreadyUp: another process holds it.
        OSError: the folder, which must exist, cannot be written.
    """
    with FileLock(folder.services_lock) as lock:
        if not lock.acquire(timeout_s=MOMENT_S):
            holder = _holder(folder)
            if holder is None or not holder.stopping:
                raise _runs_already(folder, holder)
            say(f"Waiting for a `docrelay up` that is just stopping (pid {holder.pid})")
            if not lock.acquire(timeout_s=timeout_s):
                raise _does_not_end(folder, holder)
        yield UpLock(lock)


def _holder(folder: Folder) -> _Holder | None:
    """The process that holds the lock; None if it could not write its pid."""
    try:
        holder = _Holder(**json.loads(folder.services_lock.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return holder if holder.runs else None


def _runs_already(folder: Folder, holder: _Holder | None) -> AlreadyUp:
    known, kill = (f" (pid {holder.pid})", f", or: kill {holder.pid}") if holder else ("", "")
    status = f"docrelay status --data-dir {shlex.quote(str(folder.data_dir))}"
    return AlreadyUp(
        f"`docrelay up` runs already on {folder.data_dir}{known}.",
        f"Use that one: other commands find it by themselves, as {status} does. "
        f"Or end it first (Ctrl-C in its terminal{kill}). {ELSEWHERE}",
    )


def _does_not_end(folder: Folder, holder: _Holder) -> AlreadyUp:
    return AlreadyUp(
        f"`docrelay up` on {folder.data_dir} is stopping and does not end (pid {holder.pid}).",
        f"It waits for the commands that still use its stack; another Ctrl-C there ends it at once. {ELSEWHERE}",
    )
