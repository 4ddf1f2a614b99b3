"""`SharedLogFile`: a log file with a bounded size to which several processes write, such as a worker's pool."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any

__all__ = ["SharedLogFile"]


class SharedLogFile(RotatingFileHandler):
    """Appends lines to a file; a full one becomes `NAME.1`, and the older ones `NAME.2` and so on.

    One of the processes renames the files; the others notice it before their next line and open the new one. No process
    ever waits for another one, so a process that is frozen holds up none. (The package concurrent-log-handler takes a
    lock for each line.) A line is written by one call of the system, so lines of several processes do not mix.

    While the disk is full, lines are dropped.

    Args:
        path: the file; its folder must exist.
        max_bytes: size from which a file is full; it has one line more at most for each process.
        backups: number of older files that are kept.
    """

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=backups, encoding="utf-8", delay=True, errors="replace")

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802
        """Open the file that has the name now, and say whether it is full. Called before each line."""
        if self.stream is None or not _is_at(self.baseFilename, self.stream):
            self._close()
            self.stream = self._open()
        return os.fstat(self.stream.fileno()).st_size >= self.maxBytes

    def doRollover(self) -> None:  # noqa: N802
        """Rename the files, unless another process does or has done it."""
        with contextlib.suppress(FileNotFoundError, BlockingIOError), Path(self.baseFilename).open("rb") as file:
            # Not the open stream: a lock on it is shared with the processes that have inherited it.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(self.baseFilename, file) and os.fstat(file.fileno()).st_size >= self.maxBytes:
                super().doRollover()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Close the file, whose buffer would keep the line; the next line opens it again. Report other errors."""
        if isinstance(sys.exc_info()[1], OSError):
            self._close()
        else:
            super().handleError(record)

    def _close(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _is_at(path: str, file: IO[Any]) -> bool:
    """Whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), Path(path).stat())
    except FileNotFoundError:
        return False
