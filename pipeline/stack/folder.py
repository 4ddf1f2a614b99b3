"""Files of the stack in the data folder: locks and state in `run/`, output of the processes in `logs/`."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

from pipeline.disk import NO_ROOM

__all__ = ["LOG_BYTES", "Folder", "open_log", "replace_file", "rotate", "tail"]

LOG_BYTES = 5 * 2**20
OWNER_ONLY = 0o700


class Folder:
    """Paths of the stack's files in a data folder.

    lease_lock              shared: held by each command that uses the stack
    stack_lock              exclusive: held by the supervisor
    warden_lock             held by the warden of the supervisor, until it has killed what a dead supervisor left
    state_file              `StackState` as JSON
    services_lock           exclusive: held by the one `docrelay up` of the folder, which writes its pid into it
    services_warden_lock    held by the warden of that `docrelay up`
    services_file           the services' `ProcessState`s as JSON
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.run = data_dir / "run"
        self.logs = data_dir / "logs"
        self.redis = self.run / "redis"
        self.lease_lock = self.run / "lease.lock"
        self.stack_lock = self.run / "stack.lock"
        self.warden_lock = self.run / "warden.lock"
        self.state_file = self.run / "stack.json"
        self.services_lock = self.run / "doors.lock"
        self.services_warden_lock = self.run / "doors-warden.lock"
        self.services_file = self.run / "doors.json"

    def create(self) -> None:
        """Make the folders; only this user may read them.

        Raises:
            OSError: the data folder cannot be written.
        """
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.data_dir, self.run, self.logs, self.redis):
            folder.mkdir(mode=OWNER_ONLY, exist_ok=True)

    def log(self, name: str) -> Path:
        """The file for the output of the process `name`."""
        return self.logs / f"{name}.out"


def rotate(path: Path, limit: int = LOG_BYTES) -> None:
    """Move a log file of more than `limit` bytes to `NAME.out.1`; one older file is kept.

    The file is copied and emptied, not renamed: the process that writes to it appends to the open file. Where the disk
    has no room for the copy, the file is emptied all the same: a log must not take the room of the data.
    """
    former = path.with_name(path.name + ".1")
    with suppress(OSError):
        if path.stat().st_size <= limit:
            return
        try:
            shutil.copyfile(path, former)
        except OSError:
            former.unlink(missing_ok=True)
        with path.open("r+b") as file:
            file.truncate(0)


def open_log(path: Path) -> IO[bytes]:
    """Open a log file, which only this user may read, to append to; it is rotated first if it is too long.

    Where a full disk has no room for the file, what is written is dropped: the process runs all the same.
    """
    rotate(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        descriptor = os.open(os.devnull, os.O_WRONLY)
    return os.fdopen(descriptor, "wb")


def replace_file(path: Path, text: str) -> None:
    """Replace a file that only this user may read: a reader sees the old text or the new one.

    Raises:
        OSError: the folder is gone or full; the old text stays.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


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
