"""The spool in a folder of this machine, or on a shared mount."""

from __future__ import annotations

import math
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.spool.base import Kept
from pipeline.spool.flusher import Flusher, close_all

__all__ = ["LocalSpool"]

TRIES = 5
"""How often a copy is made again that a clean-up removes at the same moment."""


class LocalSpool:
    """A spool in a folder of this machine (or a shared mount)."""

    def __init__(self, root: Path, flusher: Flusher | None = None) -> None:
        self.root = root
        self._flusher = flusher or Flusher()
        self.drafts = root / "drafts"
        self.drafts.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, key: str, data: bytes) -> None:
        """Store the bytes under the key, all or nothing."""
        path = self._prepare(key)
        draft = self.drafts / uuid.uuid4().hex
        draft.write_bytes(data)
        _renew(draft)
        draft.replace(path)

    def read(self, key: str) -> bytes:
        """The bytes under the key. Raises FileNotFoundError."""
        return (self.root / key).read_bytes()

    def exists(self, key: str) -> bool:
        """Whether the key holds something."""
        return (self.root / key).exists()

    def put_file(self, key: str, path: Path) -> None:
        """Store a copy of a local file, a second name of it where the file system has such; the file stays."""
        held: list[int] = []
        try:
            self._put(self._prepare(key), path, held)
        finally:
            close_all(held)

    def secure(self, key: str, path: Path) -> Kept:
        """Do what `put_file` does; the function that is returned waits until the copy survives a power cut."""
        target = self._prepare(key)
        with self._flusher.slot() as held:
            # Opened here: the copy may be removed as soon as no document needs it, and then the file is what is left.
            held.append(os.open(path, os.O_RDONLY))
            self._put(target, path, held)
            held.append(os.open(target.parent, os.O_RDONLY))
            return self._flusher.flush(held)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """Yield the artifact's path. Raises FileNotFoundError."""
        path = self.root / key
        path.stat()
        yield path

    def delete(self, prefix: str) -> None:
        """Remove the key, or everything below it."""
        path = self.root / prefix
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def modified_at(self, key: str) -> float:
        """When the key was last written or renewed; of a folder, when a file was last added to it.

        Raises:
            FileNotFoundError: there is nothing.
        """
        return (self.root / key).stat().st_mtime

    def size(self, key: str) -> int:
        """Bytes under the key. Raises FileNotFoundError."""
        return (self.root / key).stat().st_size

    def renew(self, key: str) -> bool:
        """Give the key a new time. Returns False if there is nothing."""
        try:
            _renew(self.root / key)
        except FileNotFoundError:
            return False
        return True

    def removable_before(self) -> float:
        """Infinity: `renew` sets a new time."""
        return math.inf

    def delete_unchanged(self, key: str, modified_at: float) -> None:
        """Remove one key, unless it was written or renewed since it had this time.

        No process can renew a file that has lost its name, so the time is compared once more after that. A file that
        was renewed in between gets its name back.
        """
        path, draft = self.root / key, self.drafts / uuid.uuid4().hex
        with suppress(FileNotFoundError):
            if path.stat().st_mtime != modified_at:
                return
            path.rename(draft)
            if draft.stat().st_mtime == modified_at:
                draft.unlink()
            else:
                _give_back(draft, path)

    def names(self, prefix: str) -> list[str]:
        """Names directly below the prefix."""
        path = self.root / prefix
        return [entry.name for entry in path.iterdir()] if path.is_dir() else []

    def _prepare(self, key: str) -> Path:
        path = self.root / key
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def _put(self, target: Path, path: Path, held: list[int]) -> None:
        """Make the copy, with a new time; it is opened and added to `held` where it is another file than `path`."""
        for _ in range(TRIES):
            is_there = False
            try:
                target.hardlink_to(path)
            except FileExistsError:
                is_there = True
            except OSError:  # another file system, or one without hard links
                held.append(self._copy(target, path))
                return
            # A clean-up may remove it before it has its new time; then it is made again.
            with suppress(FileNotFoundError):
                _renew(target)
                if is_there:
                    # The process that made it may not have flushed it yet.
                    held.append(os.open(target, os.O_RDONLY))
                return

    def _copy(self, target: Path, path: Path) -> int:
        # Not beside the target: of the drafts, the clean-up removes what a killed process left behind.
        draft = self.drafts / uuid.uuid4().hex
        shutil.copyfile(path, draft)
        _renew(draft)
        descriptor = os.open(draft, os.O_RDONLY)
        draft.replace(target)
        return descriptor


def _renew(path: Path) -> None:
    # Left to the kernel, the time has steps of milliseconds: two changes might leave the same one.
    now = time.time_ns()
    os.utime(path, ns=(now, now))


def _give_back(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # it was written again meanwhile
    except OSError:  # a file system without hard links
        draft.rename(path)
        return
    draft.unlink()
