"""The spool on any store that fsspec speaks to, shared by all hosts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.spool.base import Kept

__all__ = ["RemoteSpool"]


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
