"""Flushing files to the disk in a few threads, while the callers go on."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from pipeline.spool.base import Kept

__all__ = ["Flusher", "close_all"]

FLUSHES_AT_ONCE = 8

WAITING = FLUSHES_AT_ONCE * 8
"""Copies that wait for the disk: the files of each are held open, and a process may open only so many."""


class Flusher:
    """Flushes open files to the disk, in threads of its own. Thread-safe; a spool has one."""

    def __init__(self, pool: ThreadPoolExecutor | None = None) -> None:
        self._pool = pool or ThreadPoolExecutor(FLUSHES_AT_ONCE, "sync")
        self._slots = threading.BoundedSemaphore(WAITING)

    @contextmanager
    def slot(self) -> Iterator[list[int]]:
        """Wait until few enough copies wait for the disk, and yield an empty list of descriptors, for `flush`.

        On an error the descriptors in the list are closed.
        """
        self._slots.acquire()
        held: list[int] = []
        try:
            yield held
        except BaseException:
            self._end(held)
            raise

    def flush(self, held: Sequence[int]) -> Kept:
        """Begin to flush the files of a slot, in this order; they are closed after it, and the slot is free again.

        Returns:
            A function that waits until that is done.
        """
        return self._pool.submit(self._flush, held).result

    def _flush(self, held: Sequence[int]) -> None:
        try:
            for descriptor in held:
                os.fsync(descriptor)
        finally:
            self._end(held)

    def _end(self, held: Sequence[int]) -> None:
        close_all(held)
        self._slots.release()


def close_all(descriptors: Sequence[int]) -> None:
    """Close these file descriptors."""
    for descriptor in descriptors:
        os.close(descriptor)
