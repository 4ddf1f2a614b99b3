"""Reading files for their content's name."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from pipeline.watch.compare import Mark
from pipeline.watch.scan import mark_of

__all__ = ["digest"]


def digest(path: Path) -> tuple[str, Mark] | None:
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
