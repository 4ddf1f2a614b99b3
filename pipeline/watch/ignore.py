"""Which files of a folder are ignored: temporary and lock files, dotfiles, and what `.docrelayignore` names.

An ignore file has the syntax and the nesting of `.gitignore`. It comes after the built-in rules and may cancel them
(`!.notes.txt`).
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import structlog
from pathspec import GitIgnoreSpec

from pipeline.ingest.walk import SKIPPED_FOLDERS

__all__ = ["IGNORE_FILE", "Ignore", "is_temporary"]

log = structlog.get_logger()

IGNORE_FILE = ".docrelayignore"
TEMPORARY_PREFIXES = (".", "~$")
TEMPORARY_SUFFIXES = ("~", ".part", ".partial", ".crdownload", ".download", ".tmp", ".temp", ".swp", ".lock", ".lck")
MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Ignore:
    """The rules of one folder: its own ignore file and those of the folders above it, from the root down."""

    folder: Path
    specs: tuple[tuple[Path, GitIgnoreSpec], ...] = ()

    def below(self, folder: Path) -> Ignore:
        """The rules of a folder inside, or of the folder itself.

        Raises:
            OSError: there is an ignore file that cannot be read.
        """
        spec = _read(folder / IGNORE_FILE)
        return Ignore(folder, self.specs if spec is None else (*self.specs, (folder, spec)))

    def ignores(self, name: str, *, is_folder: bool) -> bool:
        """Whether an entry of the folder is ignored."""
        ignored = name in SKIPPED_FOLDERS or is_temporary(name)
        for base, spec in self.specs:
            path = os.path.relpath(self.folder / name, base)
            match = spec.check_file(path + "/" if is_folder else path).include
            ignored = ignored if match is None else match
        return ignored


def is_temporary(name: str) -> bool:
    """Whether a name is that of a hidden, a temporary or a lock file."""
    return name.startswith(TEMPORARY_PREFIXES) or name.lower().endswith(TEMPORARY_SUFFIXES)


def _read(path: Path) -> GitIgnoreSpec | None:
    """The rules of an ignore file; None if there is none.

    Raises:
        OSError: there is one that cannot be read.
    """
    try:
        # Non-blocking: a pipe of that name must not stop the mirror.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            return None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            lines = file.read(MAX_BYTES).decode("utf-8", "replace").splitlines()
    finally:
        os.close(descriptor)
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line, path)])


def _is_pattern(line: str, path: Path) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        log.warning("ignore.bad_pattern", file=str(path), line=line)
        return False
    return True
