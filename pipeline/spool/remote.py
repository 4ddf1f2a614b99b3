"""The spool on any store that fsspec speaks to, shared by all hosts."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.disk.temporary_folder import temporary_folder
from pipeline.spool.base import Kept

__all__ = ["RemoteSpool"]

FRESH_S = 600.0
"""What was written in this time counts as renewed."""

UNREMOVABLE_S = 2 * FRESH_S
"""What was written in this time is not removed: a process may have renewed it, and commit some minutes later.

The clocks of the store and of the hosts may differ by some minutes, too.
"""

TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")
"""Names of the time of the last change: S3, Azure, SFTP and folders, Dropbox, Google, memory."""


class RemoteSpool:
    """A spool on any store that fsspec speaks to; one put is atomic on object stores.

    Args:
        url: the store, and the folder in it.
        tmp: folder of this machine for copies that are read here; None for the system's.
    """

    def __init__(self, url: str, tmp: Path | None = None) -> None:
        import fsspec

        # Listings that other hosts have changed meanwhile must not come from a cache.
        self.tmp = tmp
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

    def put_file(self, key: str, path: Path) -> None:
        """Store a copy of a local file; the file stays. What was written lately is not sent again."""
        if not self.renew(key):
            self.files.makedirs(self._path(key).rpartition("/")[0], exist_ok=True)
            self.files.put_file(str(path), self._path(key))

    def secure(self, key: str, path: Path) -> Kept:
        """Do what `put_file` does; there is nothing to wait for afterwards."""
        self.put_file(key, path)
        return lambda _seconds=None: None

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """Yield a temporary copy of the artifact. Raises FileNotFoundError."""
        with temporary_folder(self.tmp, "spool-") as folder:
            path = folder / key.rpartition("/")[2]
            self.files.get_file(self._path(key), str(path))
            yield path

    def delete(self, prefix: str) -> None:
        """Remove the key, or everything below it."""
        if self.exists(prefix):
            self.files.rm(self._path(prefix), recursive=True)

    def modified_at(self, key: str) -> float:
        """When the key, or anything below it, was last written; infinity if the store does not say.

        Raises:
            FileNotFoundError: there is nothing.
        """
        info = self.files.info(self._path(key))
        if info["type"] != "directory":
            return _written_at(info)
        return max(map(_written_at, self.files.find(self._path(key), detail=True).values()), default=math.inf)

    def size(self, key: str) -> int:
        """Bytes under the key. Raises FileNotFoundError."""
        return int(self.files.size(self._path(key)) or 0)

    def renew(self, key: str) -> bool:
        """Whether the key was written so lately that it counts as renewed: the times of a store cannot be set."""
        try:
            return self.modified_at(key) > time.time() - FRESH_S
        except FileNotFoundError:
            return False

    def removable_before(self) -> float:
        """Some time ago: what was written since may count as renewed without a new time."""
        return time.time() - UNREMOVABLE_S

    def delete_unchanged(self, key: str, modified_at: float) -> None:
        """Remove one key, unless it was written since it had this time.

        Stores cannot remove on a condition: what is written between the comparison and the removal goes too.
        """
        with suppress(FileNotFoundError):
            if self.modified_at(key) == modified_at:
                self.files.rm_file(self._path(key))

    def names(self, prefix: str) -> list[str]:
        """Names directly below the prefix."""
        if not self.exists(prefix):
            return []
        return [str(name).rstrip("/").rpartition("/")[2] for name in self.files.ls(self._path(prefix), detail=False)]

    def _path(self, key: str) -> str:
        return f"{self.root}/{key}"


def _written_at(info: Mapping[str, Any]) -> float:
    """The time in the facts of a file, which each of fsspec's file systems gives under a name of its own."""
    for name in TIMES:
        moment = info.get(name)
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        if isinstance(moment, datetime):
            # What comes without a zone is UTC, as all of them are.
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if isinstance(moment, int | float):
            return float(moment)
    return math.inf
