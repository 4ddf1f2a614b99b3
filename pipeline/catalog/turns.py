"""Who writes next in SQLite: a queue, where SQLite itself only lets everybody try again after growing pauses.

A writer that finds SQLite's lock taken sleeps up to 100 ms and may be overtaken any number of times. Here writers
wait for a lock of the operating system, which wakes them. Two files: workers pass the gate one by one, and only who
has passed it waits for the turn; what a user waits for goes straight to the turn, so that at most one worker is
before it. This is courtesy: what keeps the catalog whole is SQLite's own lock.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["turn"]

LONGEST_S = 20.0
"""After so long the queue is passed by: who is at its head is frozen, or very slow."""


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
    waiting: threading.Thread | None = None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting = threading.Thread(target=fcntl.flock, args=(descriptor, fcntl.LOCK_EX), daemon=True)
            waiting.start()
            waiting.join(LONGEST_S)
        yield
    finally:
        if waiting is not None and waiting.is_alive():
            # Whoever waits for a descriptor must be left with it: closed, its number would soon be another file's.
            threading.Thread(target=_close_after, args=(waiting, descriptor), daemon=True).start()
        else:
            os.close(descriptor)


def _close_after(waiting: threading.Thread, descriptor: int) -> None:
    waiting.join()
    os.close(descriptor)
