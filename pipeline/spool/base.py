"""What a spool offers, wherever it keeps its files, and the key of an original in it."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Any, Protocol

from pipeline.names import TEXT

__all__ = ["ORIGINALS", "Kept", "Spool", "original_key"]

ORIGINALS = "originals"
"""Folder of the copies that intake makes of files."""


class Kept(Protocol):
    """Waits until a file is on the disk, safe from a power cut."""

    def __call__(self, timeout: float | None = None, /) -> None:
        """Wait, so many seconds at most. Raises TimeoutError, and OSError if the disk did not take the file."""


class Spool(Protocol):
    """Where intermediate artifacts live."""

    def write(self, key: str, data: bytes) -> None:
        """Store the bytes under the key, all or nothing."""

    def read(self, key: str) -> bytes:
        """The bytes under the key. Raises FileNotFoundError."""

    def exists(self, key: str) -> bool:
        """Whether the key holds something."""

    def put_file(self, key: str, path: Path) -> None:
        """Store a copy of a local file under the key, all or nothing; the file stays.

        A key names one content for ever where this is used: what is there already is kept, and counts as written now.
        """

    def secure(self, key: str, path: Path) -> Kept:
        """Do what `put_file` does, and begin to write the copy out to the disk, so that it survives a power cut.

        Returns:
            A function that waits until that is done.
        """

    def local(self, key: str) -> Any:
        """A context manager that yields the artifact as a local path. Raises FileNotFoundError."""

    def delete(self, prefix: str) -> None:
        """Remove the key, or everything below it."""

    def modified_at(self, key: str) -> float:
        """When the key, or anything below it, was last written or renewed, in seconds since 1970.

        Returns:
            Infinity where the store keeps no times: what may be new is never taken for old.

        Raises:
            FileNotFoundError: there is nothing.
        """

    def size(self, key: str) -> int:
        """Bytes under the key. Raises FileNotFoundError."""

    def renew(self, key: str) -> bool:
        """Give the key a new time, so that no process removes it that has read an earlier one.

        A store whose times cannot be set leaves the key as it is. There, what was written lately counts as renewed, and
        no process removes it: see `removable_before`.

        Returns:
            False if there is nothing, or if the key gets a new time only by being written again; `exists` says which.
        """

    def removable_before(self) -> float:
        """Only a key whose time is earlier may be removed while another process may renew it, in seconds since 1970.

        Returns:
            Infinity where `renew` sets a new time, by which `delete_unchanged` knows that the key is needed again.
        """

    def delete_unchanged(self, key: str, modified_at: float) -> None:
        """Remove one key, unless it got another time than this one; on a store, unless it was written again."""

    def names(self, prefix: str) -> list[str]:
        """Names directly below the prefix."""


def original_key(content_sha256: str, source: str) -> str:
    """Where the original with this content lies; its suffix stays, as it hints at the format.

    Text records share no key with files: a file of the same bytes may be read in another way.
    """
    if source.startswith(TEXT):
        return f"{ORIGINALS}/{content_sha256[:2]}/{content_sha256}.record"
    suffix = re.sub(r"[^a-z0-9.]", "", PurePath(source).suffix.lower())[:12]
    return f"{ORIGINALS}/{content_sha256[:2]}/{content_sha256}{suffix}"
