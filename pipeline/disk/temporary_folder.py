"""Temporary folders: each goes with the process that made it, at the latest with the first sweep after its end.

    DATA/tmp/NAME        the folder, which only its user may open
    DATA/tmp/NAME.lock   locked as long as the process lives: the kernel lets go of it, however the process ends

A lock holds between containers that share the data folder, and it does not depend on process ids or on clocks.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["TemporaryFolder", "remove_abandoned", "remove_folder", "temporary_folder", "tmp_of"]

LOCK = ".lock"
TRIES = 5
"""How often a lock is made again that a sweep took for abandoned before it was locked."""

UNLOCKED_S = 86400.0
"""Age from which a folder without a lock is removed: no process of this version leaves one."""


def tmp_of(data_dir: Path) -> Path:
    """Where the temporary folders of a data folder are."""
    return data_dir / "tmp"


class TemporaryFolder:
    """A folder for temporary files, locked until it is removed or its process ends.

    Args:
        tmp: the folder in which it is made; None for the system's folder for temporary files.
        prefix: how its name begins.

    Raises:
        OSError: there is no room for it.
    """

    def __init__(self, tmp: Path | None, prefix: str = "docrelay-") -> None:
        parent = Path(tempfile.gettempdir()) if tmp is None else tmp
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = parent.absolute() / f"{prefix}{uuid.uuid4().hex[:16]}"
        self._owner = os.getpid()
        self._lock = _new_lock(_lock_of(self.path))
        try:
            self.path.mkdir(mode=0o700)
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove it with all that is in it; in a fork, which only lets go of it, it is the parent's."""
        if self._owner == os.getpid():
            remove_folder(self.path)
        self.let_go()

    def goes_with(self, owner: object) -> None:
        """Remove it when the process ends; when the owner is collected before, which may be at any moment, let go."""
        weakref.finalize(owner, self.let_go).atexit = False
        atexit.register(self.remove)

    def let_go(self) -> None:
        """Close the lock, so that the next sweep removes the folder."""
        descriptor, self._lock = self._lock, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def temporary_folder(tmp: Path | None, prefix: str = "docrelay-") -> Iterator[Path]:
    """Yield a folder that exists for a block. Raises OSError where there is no room for it."""
    folder = TemporaryFolder(tmp, prefix)
    try:
        yield folder.path
    finally:
        folder.remove()


def remove_folder(path: Path) -> None:
    """Remove a temporary folder with all that is in it, and its lock."""
    _remove_tree(path)
    with contextlib.suppress(OSError):
        _lock_of(path).unlink(missing_ok=True)


def remove_abandoned(tmp: Path) -> None:
    """Remove the folders of processes that have ended."""
    with contextlib.suppress(FileNotFoundError):
        entries = sorted(tmp.iterdir())
        for lock in (entry for entry in entries if entry.suffix == LOCK):
            _remove_if_abandoned(lock)
        for folder in (entry for entry in entries if entry.suffix != LOCK):
            _remove_if_unlocked(folder)


def _remove_if_abandoned(lock: Path) -> None:
    with contextlib.suppress(OSError):  # its process has removed it, or holds the lock
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_tree(lock.with_suffix(""))
            lock.unlink()
        finally:
            os.close(descriptor)


def _remove_if_unlocked(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if not _lock_of(folder).exists() and folder.lstat().st_mtime < time.time() - UNLOCKED_S:
            _remove_tree(folder) if folder.is_dir() else folder.unlink()


def _remove_tree(path: Path) -> None:
    """Remove a folder, however deep it is: a library that a hostile file has taken over may have made it."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):  # it is gone; or it cannot be removed
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _flatten(top)
        finally:
            os.close(top)
        path.rmdir()


def _flatten(top: int) -> None:
    """Empty an open folder level by level: what is in its folders is moved up into it, so that no path gets long."""
    while names := os.listdir(top):
        for name in names:
            if not stat.S_ISDIR(os.lstat(name, dir_fd=top).st_mode):
                os.unlink(name, dir_fd=top)
                continue
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
            try:
                for inner in os.listdir(folder):  # noqa: PTH208
                    os.rename(inner, uuid.uuid4().hex, src_dir_fd=folder, dst_dir_fd=top)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)


def _new_lock(path: Path) -> int:
    """Make the lock and hold it. A sweep that found it before it was locked has removed it: then it is made again."""
    for _ in range(TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: the folder stays until its process removes it
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)
    raise BlockingIOError(f"The lock {path} is removed again and again.")


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + LOCK)
