"""File locks between processes, which the kernel releases when the process that holds one ends, however it ends.

flock(2) belongs to an open file, not to a process: a child that inherited the descriptor would keep the lock. Python
closes descriptors on exec (PEP 446); after a fork without exec they are closed here.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import ClassVar

__all__ = ["FileLock", "is_locked"]

POLL_S = 0.02


class FileLock:
    """A lock on a file, shared or exclusive; as a context manager it is released at the end of the block.

    The file is never removed: a process that waits for the lock would then wait for another file than the next one.
    """

    _instances: ClassVar[weakref.WeakSet[FileLock]] = weakref.WeakSet()
    """Locks of this process, for `release_after_fork`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._instances.add(self)

    @classmethod
    def release_after_fork(cls) -> None:
        """Close the descriptors that a forked child has inherited."""
        for lock in list(cls._instances):
            lock.release()

    @property
    def descriptor(self) -> int | None:
        """The open file that the lock belongs to; None while the lock is not held."""
        return self._descriptor

    def acquire(self, *, shared: bool = False, timeout_s: float = 0.0) -> bool:
        """Take the lock, waiting at most `timeout_s`; False if another process held it all that time."""
        deadline = time.monotonic() + timeout_s
        while not self._try(shared):
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
        return True

    def release(self) -> None:
        """Release the lock; a process that was given the descriptor on purpose keeps it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def intact(self) -> bool:
        """Whether the locked file is still the one at its path: False if the folder was removed or replaced."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except OSError:
            return False

    def _try(self, shared: bool) -> bool:
        """Take the lock if it is free now."""
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
    """Whether a process holds an exclusive lock on the file; False if there is no such file.

    It tries a shared lock for an instant, so a process that wants the exclusive one must try more than once.
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


os.register_at_fork(after_in_child=FileLock.release_after_fork)
