"""A queue of writers for SQLite, which itself only lets each of them try again after growing pauses.

A writer that finds SQLite's lock taken sleeps up to 100 ms and may be overtaken any number of times. Here writers wait
for a lock of the operating system, which wakes them. Two files: workers pass the gate one by one, and only the one
that has passed it waits for the turn; what a user waits for goes straight to the turn, so that one worker is before
it, and more only where the kernel wakes them first. This is courtesy: what keeps the catalog whole is SQLite's own
lock.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import cast

__all__ = ["turn"]

LONGEST_S = 20.0
"""After so long the queue is passed by: the process at its head is frozen, or very slow."""


@contextmanager
def turn(path: str, *, urgent: bool) -> Iterator[None]:
    """Hold the turn to write in the catalog at this path."""
    with ExitStack() as scope:
        if not urgent:
            scope.enter_context(_held(f"{path}.gate"))
        scope.enter_context(_held(f"{path}.turn"))
        yield


@contextmanager
def _held(path: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    waiting: _Helper | None = None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting = _helper()
            if waiting.lock(descriptor):
                done, waiting = waiting, None
                _idle.append(done)
        yield
    finally:
        if waiting is not None:
            # The waiting thread must be left with its descriptor: closed, its number would soon be another file's.
            waiting.close(descriptor)
        else:
            os.close(descriptor)


def _helper() -> _Helper:
    try:
        return _idle.pop()
    except IndexError:
        return _Helper()


class _Helper:
    """A thread that waits for locks, one at a time: the system knows no end to such a wait."""

    def __init__(self) -> None:
        self._wanted: SimpleQueue[int | None] = SimpleQueue()
        self._locked = threading.Semaphore(0)
        threading.Thread(target=self._work, name="turn", daemon=True).start()

    def lock(self, descriptor: int) -> bool:
        """Whether it got the lock in time; if not, it waits on, until the descriptor is closed by it."""
        self._wanted.put(descriptor)
        return self._locked.acquire(timeout=LONGEST_S)

    def close(self, descriptor: int) -> None:
        """Close what it waits for as soon as that is over, and end."""
        self._wanted.put(None)
        self._wanted.put(descriptor)

    def _work(self) -> None:
        while (descriptor := self._wanted.get()) is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError:  # a file system without locks: there is no queue
                pass
            finally:
                self._locked.release()
        os.close(cast(int, self._wanted.get()))


_idle: list[_Helper] = []
# Threads do not survive a fork.
os.register_at_fork(after_in_child=_idle.clear)
