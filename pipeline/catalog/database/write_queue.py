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

__all__ = ["WriteQueue"]

LONGEST_S = 20.0
"""After so long the queue is passed by: the process at its head is frozen, or very slow."""


class WriteQueue:
    """The queue of the writers of one SQLite file, in all processes; the engine of that file owns it.

    Threads that wait for locks are kept, to be used again by later turns of this process.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: list[_LockWaiter] = []

    @contextmanager
    def turn(self, *, urgent: bool) -> Iterator[None]:
        """Hold the turn to write; `urgent`: a user waits for the write, it does not queue at the gate."""
        with ExitStack() as scope:
            if not urgent:
                scope.enter_context(self._locked(f"{self._path}.gate"))
            scope.enter_context(self._locked(f"{self._path}.turn"))
            yield

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        waiter: _LockWaiter | None = None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiter = self._waiter()
                if waiter.lock(descriptor):
                    self._idle.append(waiter)
                    waiter = None
            yield
        finally:
            if waiter is not None:
                # The waiting thread must be left with its descriptor: closed, its number would soon be another file's.
                waiter.close(descriptor)
            else:
                os.close(descriptor)

    def _waiter(self) -> _LockWaiter:
        try:
            while True:
                waiter = self._idle.pop()
                if waiter.process_id == os.getpid():  # threads do not survive a fork
                    return waiter
        except IndexError:
            return _LockWaiter()


class _LockWaiter:
    """A thread that waits for locks, one at a time: the system knows no end to such a wait."""

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self._descriptors: SimpleQueue[int | None] = SimpleQueue()
        self._locked = threading.Semaphore(0)
        threading.Thread(target=self._work, name="turn", daemon=True).start()

    def lock(self, descriptor: int) -> bool:
        """Whether it got the lock in time; if not, it waits on, until the descriptor is closed by it."""
        self._descriptors.put(descriptor)
        return self._locked.acquire(timeout=LONGEST_S)

    def close(self, descriptor: int) -> None:
        """Close what it waits for as soon as that is over, and end."""
        self._descriptors.put(None)
        self._descriptors.put(descriptor)

    def _work(self) -> None:
        while (descriptor := self._descriptors.get()) is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError:  # a file system without locks: there is no queue
                pass
            finally:
                self._locked.release()
        os.close(cast(int, self._descriptors.get()))
