"""The spool in a folder of this machine, or on a shared mount."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from pipeline.spool.base import Kept

__all__ = ["LocalSpool"]

SYNCS_AT_ONCE = 8
SYNCS = threading.BoundedSemaphore(SYNCS_AT_ONCE * 8)
"""Files that wait for the disk: each is held open, and a process may hold only so many."""


class LocalSpool:
    """A spool in a folder of this machine (or a shared mount)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.drafts = root / "drafts"
        self.drafts.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, key: str, data: bytes) -> None:
        """Store the bytes under the key, all or nothing."""
        path = self._prepare(key)
        draft = self.drafts / uuid.uuid4().hex
        draft.write_bytes(data)
        draft.replace(path)

    def read(self, key: str) -> bytes:
        """The bytes under the key. Raises FileNotFoundError."""
        return (self.root / key).read_bytes()

    def exists(self, key: str) -> bool:
        """Whether the key holds something."""
        return (self.root / key).exists()

    def take(self, key: str, path: Path) -> None:
        """Move a local file into the spool under the key, all or nothing."""
        target = self._prepare(key)
        draft = self.drafts / uuid.uuid4().hex
        shutil.move(path, draft)
        draft.replace(target)

    def secure(self, key: str, path: Path) -> Kept:
        """Put a copy of a local file into the spool; what is returned waits until a power cut does not take it."""
        target = self._prepare(key)
        SYNCS.acquire()
        # Opened here: whoever needs the copy no more may remove it any moment, and then the file is what is left.
        held: list[int] = []
        try:
            held.append(os.open(path, os.O_RDONLY))
            _keep(target, path, held)
            held.append(os.open(target.parent, os.O_RDONLY))
            # Others wait for the disk while who has sent the file goes on.
            return _syncing().submit(_sync, held).result
        except BaseException:
            _close(held)
            SYNCS.release()
            raise

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

    def names(self, prefix: str) -> list[str]:
        """Names directly below the prefix."""
        path = self.root / prefix
        return [entry.name for entry in path.iterdir()] if path.is_dir() else []

    def _prepare(self, key: str) -> Path:
        path = self.root / key
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path


@cache
def _syncing() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(SYNCS_AT_ONCE, "sync")


def _keep(target: Path, path: Path, held: list[int]) -> None:
    """Make the copy, and open it where it is another file than the one that is held already."""
    try:
        # First the name, then file and folder: most file systems write them out together.
        target.hardlink_to(path)
    except FileExistsError:
        # Whoever made it may not have come to writing it out.
        with suppress(FileNotFoundError):
            held.append(os.open(target, os.O_RDONLY))
    except OSError:  # another file system, or one without hard links
        draft = target.with_name(f".{uuid.uuid4().hex}")
        shutil.copyfile(path, draft)
        held.append(os.open(draft, os.O_RDONLY))
        draft.replace(target)


def _sync(held: list[int]) -> None:
    try:
        for descriptor in held:
            os.fsync(descriptor)
    finally:
        _close(held)
        SYNCS.release()


def _close(held: list[int]) -> None:
    for descriptor in held:
        os.close(descriptor)
