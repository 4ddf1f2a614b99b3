"""What a spool offers, wherever it keeps its files, and the key of an original in it."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Any, Protocol

__all__ = ["Kept", "Spool", "original_key"]


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


def original_key(content_sha256: str, source: str) -> str:
    """Where the original with this content lies; its suffix stays, as it hints at the format."""
    suffix = re.sub(r"[^a-z0-9.]", "", PurePath(source).suffix.lower())[:12]
    return f"originals/{content_sha256[:2]}/{content_sha256}{suffix}"
