"""Reading files for their content's name, and asking the system whether somebody still writes to them."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import stat
from pathlib import Path

from pipeline.catalog.documents.watched_files import FileMark
from pipeline.watch.scan import mark_of

__all__ = ["digest", "is_written"]


def digest(path: Path) -> tuple[str, FileMark] | None:
    """SHA-256 of a file, and the mark that it had before and after; None if it changed, or cannot be read."""
    try:
        # Not blocking: a pipe that took the file's place must not stop the mirror.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return None
        try:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        after = os.fstat(descriptor)
    return (found, mark_of(after)) if mark_of(before) == mark_of(after) else None


def is_written(path: Path) -> bool:
    """Whether a program of this machine has the file open for writing.

    Linux says so of files on its own disks to their owner, by refusing a lease (fcntl(2)); of others False is told.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Who begins to write at this moment waits for the lease to end, and we get a signal: one that does no harm.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False
