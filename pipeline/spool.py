"""The spool: originals on their way in, and what one stage leaves for the next.

    drafts/…                what is being written, swept after a day
    originals/ab/abcd….pdf  a file as it was taken in, named by its SHA-256
    batches/<batch id>/…    texts, chunks and vectors of one document batch

A local folder, or any fsspec URL shared by all hosts. Writes are atomic: a key holds all of it or nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
import uuid
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PurePath
from typing import Any, Protocol

__all__ = [
    "Kept",
    "LocalSpool",
    "RemoteSpool",
    "Spool",
    "open_spool",
    "original_key",
    "read_json",
    "write_json",
]


SYNCS_AT_ONCE = 8
SYNCS = threading.BoundedSemaphore(SYNCS_AT_ONCE * 8)
"""Files that wait for the disk: each is held open, and a process may hold only so many."""


class Kept(Protocol):
    """Waits until a file is safe from a power cut."""

    def __call__(self, timeout: float | None = None, /) -> None:
        """Raises TimeoutError, or OSError: the disk did not take it."""


class Spool(Protocol):
    """Where intermediate artifacts live."""

    def write(self, key: str, data: bytes) -> None:
        """Store the bytes under the key, all or nothing."""

    def read(self, key: str) -> bytes:
        """The bytes under the key. Raises FileNotFoundError."""

    def exists(self, key: str) -> bool:
        """Whether the key holds something."""

    def take(self, key: str, path: Path) -> None:
        """Move a local file into the spool under the key, all or nothing."""

    def secure(self, key: str, path: Path) -> Kept:
        """Begin to put a copy of a local file into the spool that a power cut does not take; the file stays.

        Returns:
            What waits for its end, so many seconds at most. Raises TimeoutError, and OSError: the disk did not take it.
        """

    def local(self, key: str) -> Any:
        """A context manager that yields the artifact as a local path. Raises FileNotFoundError."""

    def delete(self, prefix: str) -> None:
        """Remove the key, or everything below it."""

    def names(self, prefix: str) -> list[str]:
        """Names directly below the prefix."""


def open_spool(url: str | None, data_dir: Path) -> Spool:
    """The spool at this path or fsspec URL; without one, in the data folder."""
    if url is None:
        return LocalSpool(data_dir / "spool")
    return (
        RemoteSpool(url)
        if "://" in url and not url.startswith("file://")
        else LocalSpool(Path(url.removeprefix("file://")))
    )


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


class RemoteSpool:
    """A spool on any store that fsspec speaks to; one put is atomic on object stores."""

    def __init__(self, url: str) -> None:
        import fsspec

        # Listings that other hosts have changed meanwhile must not come from a cache.
        self.files, self.root = fsspec.core.url_to_fs(url, use_listings_cache=False)

    def write(self, key: str, data: bytes) -> None:
        """Store the bytes under the key, all or nothing."""
        self.files.makedirs(self._path(key).rpartition("/")[0], exist_ok=True)
        self.files.pipe_file(self._path(key), data)

    def read(self, key: str) -> bytes:
        """The bytes under the key. Raises FileNotFoundError."""
        return bytes(self.files.cat_file(self._path(key)))

    def exists(self, key: str) -> bool:
        """Whether the key holds something."""
        return bool(self.files.exists(self._path(key)))

    def take(self, key: str, path: Path) -> None:
        """Move a local file into the spool under the key, all or nothing."""
        self.files.makedirs(self._path(key).rpartition("/")[0], exist_ok=True)
        self.files.put_file(str(path), self._path(key))
        path.unlink()

    def secure(self, key: str, path: Path) -> Kept:
        """Put a copy of a local file into the spool; the file stays. There is nothing to wait for afterwards."""
        if not self.exists(key):
            self.files.makedirs(self._path(key).rpartition("/")[0], exist_ok=True)
            self.files.put_file(str(path), self._path(key))
        return lambda _seconds=None: None

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """Yield a temporary copy of the artifact. Raises FileNotFoundError."""
        with tempfile.TemporaryDirectory(prefix="docrelay-") as folder:
            path = Path(folder) / key.rpartition("/")[2]
            self.files.get_file(self._path(key), str(path))
            yield path

    def delete(self, prefix: str) -> None:
        """Remove the key, or everything below it."""
        if self.exists(prefix):
            self.files.rm(self._path(prefix), recursive=True)

    def names(self, prefix: str) -> list[str]:
        """Names directly below the prefix."""
        if not self.exists(prefix):
            return []
        return [str(name).rstrip("/").rpartition("/")[2] for name in self.files.ls(self._path(prefix), detail=False)]

    def _path(self, key: str) -> str:
        return f"{self.root}/{key}"


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


def original_key(content_sha256: str, source: str) -> str:
    """Where the original with this content lies; its suffix stays, as it hints at the format."""
    suffix = re.sub(r"[^a-z0-9.]", "", PurePath(source).suffix.lower())[:12]
    return f"originals/{content_sha256[:2]}/{content_sha256}{suffix}"


def write_json(spool: Spool, key: str, data: Any) -> None:
    """Store JSON-ready data, compressed."""
    spool.write(key, zlib.compress(json.dumps(data, ensure_ascii=False).encode(), 1))


def read_json(spool: Spool, key: str) -> Any:
    """Read back what `write_json` stored. Raises FileNotFoundError."""
    return json.loads(zlib.decompress(spool.read(key)))
