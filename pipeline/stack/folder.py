"""Where the stack keeps its files below the data folder."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["LOG_BYTES", "Folder", "bound", "tail"]

LOG_BYTES = 5 * 2**20
PRIVATE = 0o700


class Folder:
    """The stack's part of a data folder: `run` for locks and the state, `logs` for what the parts print."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.run = data_dir / "run"
        self.logs = data_dir / "logs"
        self.redis = self.run / "redis"
        self.lease = self.run / "lease.lock"
        self.stack = self.run / "stack.lock"
        self.warden = self.run / "warden.lock"
        self.state = self.run / "stack.json"
        self.doors = self.run / "doors.lock"
        self.doors_warden = self.run / "doors-warden.lock"
        self.doors_state = self.run / "doors.json"

    def create(self) -> None:
        """Make the folders, readable by this user only.

        Raises:
            OSError: the data folder cannot be written.
        """
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.data_dir, self.run, self.logs, self.redis):
            folder.mkdir(mode=PRIVATE, exist_ok=True)

    def log(self, name: str) -> Path:
        """The file that takes what the process `name` prints."""
        return self.logs / f"{name}.out"


def bound(path: Path, limit: int = LOG_BYTES) -> None:
    """Keep a log file within `limit` bytes: the older part becomes `NAME.out.1`, one generation is kept.

    The file is emptied, not replaced: its writer appends to the open file.
    """
    try:
        if path.stat().st_size <= limit:
            return
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        with path.open("r+b") as file:
            file.truncate(0)
    except FileNotFoundError:
        return


def tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log file, at most 4 KiB; empty when there are none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 4096))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])
