"""A small file system of its own, to be filled and emptied, and a file that fills it."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

__all__ = ["fill", "fill_names", "small_disk"]

BLOCK = 1 << 16


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """Mount a file system of this size at `folder` for the block; where that is not allowed, the test is skipped.

    In CI it must be allowed: there the test fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={size_mb}m,nr_inodes=1000,mode=700"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "docrelay-test", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        reason = f"no file system can be mounted here: {done.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path, leave_bytes: int = 0) -> int:
    """Write a file until the disk has no more than so many free bytes; how many bytes were written."""
    written = 0
    with path.open("ab", buffering=0) as file:
        while (free := _free(path)) > leave_bytes:
            try:
                written += file.write(b"\0" * min(BLOCK, free - leave_bytes))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return written
    return written


def fill_names(folder: Path) -> None:
    """Make empty files until the file system has no room for one more name."""
    number = 0
    with suppress(OSError):
        while True:
            os.mknod(folder / f"filler-{number}")
            number += 1


def _free(path: Path) -> int:
    state = os.statvfs(path.parent)
    return state.f_bavail * state.f_frsize
