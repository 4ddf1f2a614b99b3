"""Locks between processes that the kernel lets go of when their holder dies, however it dies.

flock(2) belongs to an open file, not to a process: a child that inherited the descriptor would keep
the lock. Descriptors made by Python are closed on exec (PEP 446); after a bare fork they are closed here.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import weakref
from pathlib import Path
from types import TracebackType

__all__ = ["FileLock", "is_locked"]

POLL_S = 0.02


class FileLock:
    """A lock on a file, shared or exclusive; as a context manager it lets go at the end of the block.

    The file is never removed: whoever waits for it would wait on another file than the next one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        _LIVING.add(self)

    @property
    def descriptor(self) -> int | None:
        """The open file that carries the lock, None while it is not held."""
        return self._descriptor

    def acquire(self, *, shared: bool = False, timeout_s: float = 0.0) -> bool:
        """Take the lock, waiting at most `timeout_s`; False when someone else kept it for all that time."""
        deadline = time.monotonic() + timeout_s
        while not self._try(shared):
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
        return True

    def release(self) -> None:
        """Let go of it; a process that was handed the descriptor on purpose keeps the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def intact(self) -> bool:
        """Whether the held file still lies at its path: False when the folder was removed or replaced."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except OSError:
            return False

    def _try(self, shared: bool) -> bool:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise
        self._descriptor = descriptor
        return True

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Whether a process holds an exclusive lock on the file; False when there is no such file.

    It looks by taking a shared lock for an instant: whoever takes the exclusive one must try twice.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return True
        raise
    else:
        return False
    finally:
        os.close(descriptor)


_LIVING: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _forget_after_fork() -> None:
    for lock in list(_LIVING):
        lock.release()


os.register_at_fork(after_in_child=_forget_after_fork)
