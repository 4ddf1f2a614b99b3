"""How many bytes files take on the disk; parts of a sparse file that were never written take none."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["used_bytes"]

BLOCK_BYTES = 512
"""Unit of `st_blocks`, whatever the block size of the file system is (POSIX, sys/stat.h)."""


def used_bytes(path: Path) -> int:
    """Bytes that a file, or all files in a folder, take on the disk; 0 where nothing is. Links are not followed."""
    total, folders = 0, [os.fspath(path)]
    try:
        if not path.is_dir():
            return path.stat().st_blocks * BLOCK_BYTES
    except OSError:
        return 0
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * BLOCK_BYTES
        except OSError:  # a file or folder was removed meanwhile
            continue
    return total
