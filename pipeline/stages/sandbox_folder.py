"""The sandbox's own folder: where the child writes its temporary files, and where it finds the file that it is to read.

    in/    what it is given: it may read there, and nothing else of the data folder
    own/   its temporary files, such as the pictures of pages for Tesseract
    clock  seconds that its limits leave out; it has it open for reading

A file is given as a second name (a hard link), so nothing is copied where the file system has such.
"""

from __future__ import annotations

import contextlib
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.disk.temporary_folder import TemporaryFolder

__all__ = ["SECONDS", "SandboxFolder"]

SECONDS = struct.Struct("=d")

COPIED_BYTES = 64 << 20
"""A file up to this size is copied where it cannot be linked; for a larger one, starting a child costs less."""


class SandboxFolder:
    """The folder of one child. Raises OSError where there is no room for it."""

    def __init__(self, tmp: Path | None) -> None:
        self._folder = TemporaryFolder(tmp, "sandbox-")
        self.own = self._folder.path / "own"
        self.inbox = self._folder.path / "in"
        self._written_s = 0.0
        self.clock = self._folder.path / "clock"
        try:
            self.clock.write_bytes(SECONDS.pack(0.0))
            self.own.mkdir(mode=0o700)
            self.inbox.mkdir(mode=0o700)
        except OSError:
            self.remove()
            raise

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self._folder.path

    @contextmanager
    def given(self, path: Path) -> Iterator[Path | None]:
        """Yield the file's path for the child, under its own name; None where it can be neither linked nor copied."""
        name = self.inbox / path.name
        try:
            yield name if _give(path, name) else None
        finally:
            with contextlib.suppress(OSError):
                name.unlink(missing_ok=True)

    def tell_left_out(self, seconds: float) -> None:
        """Write down how many seconds the limits of the present request leave out."""
        if seconds != self._written_s:
            with contextlib.suppress(OSError), self.clock.open("r+b", buffering=0) as file:
                file.write(SECONDS.pack(seconds))
                self._written_s = seconds

    def remove(self) -> None:
        """Remove it with all that is in it."""
        self._folder.remove()


def _give(path: Path, name: Path) -> bool:
    with contextlib.suppress(OSError):
        name.hardlink_to(path.resolve())
        return True
    try:
        if path.stat().st_size > COPIED_BYTES:
            return False
        shutil.copyfile(path, name)
    except OSError:  # no room; or the file cannot be read, which the child says
        return False
    return True
