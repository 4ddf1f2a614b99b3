"""Room on a disk: how much is free, whether that is too little to go on, and which errors say that there is none."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MB", "NO_ROOM", "DiskState", "disk_state"]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a disk or a quota that is full."""

MB = 1 << 20


@dataclass(frozen=True, slots=True)
class DiskState:
    """A folder, the bytes that are free on its disk, and how many must be free for work to go on.

    `setting`: the one that says so, if any. `device`: the number of the disk, by which folders on one are known.
    """

    path: str
    free_bytes: int
    needed_bytes: int
    setting: str = ""
    device: int = 0

    @property
    def full(self) -> bool:
        """Whether work must wait for room."""
        return self.free_bytes < self.needed_bytes

    @property
    def message(self) -> str:
        """One sentence on a full disk, for users."""
        needed = f"{self.needed_bytes / MB:.0f} MB are needed" + (f": setting {self.setting}" if self.setting else "")
        free = f"{self.free_bytes / MB:.0f} MB free"
        return (
            f"disk full: {self.path} ({free}, at least {needed}); work waits, and goes on by itself when there is room."
        )


def disk_state(folder: Path, needed_bytes: int, setting: str = "") -> DiskState | None:
    """The state of the disk that holds a folder, or that will hold it; None where the system cannot say.

    A file system whose number of files is bounded, and reached, has no free bytes.
    """
    known = next((path for path in (folder, *folder.parents) if path.exists()), None)
    try:
        state = os.statvfs(known or folder)
        device = (known or folder).stat().st_dev
    except OSError:
        return None
    if state.f_blocks == 0:
        return None  # such as file systems in user space that do not count blocks
    has_names = state.f_files == 0 or state.f_favail > 0
    free_bytes = state.f_bavail * state.f_frsize if has_names else 0
    return DiskState(str(folder), free_bytes, needed_bytes, setting, device)
