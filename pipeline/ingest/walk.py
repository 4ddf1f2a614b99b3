"""Find the files below given paths. No file is opened; links, pipes and devices are checked by their attributes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadRequest, NotAFile, OutsideRoot, Rejected, TooLargeToTake, Unreadable
from pipeline.settings import Settings
from pipeline.types import Tags

__all__ = [
    "SKIPPED_FOLDERS",
    "Candidate",
    "absolute",
    "candidate_at",
    "find_files",
    "path_of",
    "source_of",
    "source_of_path",
    "walk",
    "walk_files",
]

SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv"})
"""Folders that hold no documents: version control, caches, packages."""

ESCAPE = re.compile(rb"\\x([89a-f][0-9a-f]|5c)")
"""Escapes in a source: of bytes that are no UTF-8, and of a backslash that would read as the beginning of an escape."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to ingest; or one that cannot be ingested, with the reason (`problem`).

    `tags` replace those of its document; None leaves them.
    """

    path: Path
    source: str
    size: int
    problem: Rejected | None = None
    tags: Tags | None = None
    within: tuple[Path, ...] | None = None
    """Folders, all links followed, below one of which it must lie when it is opened; None for anywhere."""


def walk(paths: Sequence[Path], max_bytes: int, skip: Path | None = None) -> Iterator[Candidate]:
    """Yield every file at and below the paths, in a stable order, each once.

    Args:
        paths: files and folders; folders are walked, symbolic links inside them must stay inside.
        max_bytes: larger files come with the problem `too_large`.
        skip: a folder that is left out: Docrelay's own data.

    Raises:
        BadRequest: a path does not exist.
    """
    seen: set[str] = set()
    skipped = _inode(skip) if skip is not None else None
    for path in paths:
        named = absolute(path)
        if not os.path.lexists(named):
            raise BadRequest(f"There is no file or folder {source_of(named)}.", "Check the path.")
        # Path.is_dir raises for a link that names something too long, or something in a folder that is closed.
        files = _below(named, skipped) if os.path.isdir(named) else iter([named])  # noqa: PTH112
        for file in files:
            candidate = candidate_at(file, named, max_bytes)
            if candidate is not None and candidate.source not in seen:
                seen.add(candidate.source)
                yield candidate


def walk_files(settings: Settings, paths: Sequence[Path]) -> Iterator[Candidate]:
    """Walk the paths by the settings: with their limit of a file's size, and without Docrelay's own data folder.

    Raises:
        BadRequest: a path does not exist.
    """
    return walk(paths, settings.max_file_mb << 20, settings.data_dir)


def find_files(settings: Settings, paths: Sequence[Path]) -> list[Candidate]:
    """All files at and below the paths, as `walk_files` yields them.

    Raises:
        BadRequest: a path does not exist, or there is no file.
    """
    candidates = list(walk_files(settings, paths))
    if not candidates:
        raise BadRequest("There are no files in what was named.", "Name a file, or a folder with files in it.")
    return candidates


def absolute(path: str | Path) -> Path:
    """The absolute path of what a user names, without `..`. Links are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow the link


def source_of_path(path: str | Path) -> str:
    """The source of a path as a user names it, relative or absolute."""
    return source_of(absolute(path))


def source_of(path: Path) -> str:
    r"""The source of a local file: its absolute path, and no other file's; `path_of` is its inverse.

    Bytes that are no UTF-8 are written as `\xe9`; a backslash that would read as such an escape, as `\x5c`.
    """
    return ESCAPE.sub(rb"\\x5cx\1", os.fsencode(path)).decode("utf-8", "backslashreplace")


def path_of(source: str) -> Path:
    """The file of a source that `source_of` has made."""
    return Path(os.fsdecode(ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), os.fsencode(source))))


def _below(folder: Path, skip: tuple[int, int] | None) -> Iterator[Path]:
    """Yield what is below a folder and is no folder itself, and the folders that cannot be listed."""
    pending = [folder]
    while pending:
        folder_path = pending.pop()
        if skip is not None and _inode(folder_path) == skip:
            continue
        try:
            with os.scandir(folder_path) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            yield folder_path
            continue
        folders = [entry for entry in listed if _is_folder(entry)]
        pending += [folder_path / entry.name for entry in reversed(folders) if entry.name not in SKIPPED_FOLDERS]
        yield from (folder_path / entry.name for entry in listed if not _is_folder(entry))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _inode(path: Path) -> tuple[int, int] | None:
    """Device and inode of a folder: the same by whatever path or link it is named. None if it cannot be read."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def candidate_at(path: Path, root: Path, max_bytes: int) -> Candidate | None:
    """Read the attributes of a file below a root: a candidate, or None for a link to a folder.

    Returns:
        A candidate with a problem if the file cannot be ingested.
    """
    source = source_of(path)
    try:
        facts = path.stat()
    except OSError as error:
        return Candidate(path, source, 0, _unreachable(path, error))
    if path.is_symlink() and path != root and not _inside(path, root):
        return Candidate(path, source, 0, OutsideRoot("The symbolic link leaves the given folder."))
    if stat.S_ISDIR(facts.st_mode):
        # A link to a folder inside is walked where the folder itself is; a folder seen here cannot be listed.
        return None if path.is_symlink() else Candidate(path, source, 0, Unreadable("The folder cannot be listed."))
    return Candidate(path, source, facts.st_size if stat.S_ISREG(facts.st_mode) else 0, _problem(facts, max_bytes))


def _problem(facts: os.stat_result, max_bytes: int) -> Rejected | None:
    if not stat.S_ISREG(facts.st_mode):
        return NotAFile(f"It is a {_kind(facts.st_mode)}, not a regular file.")
    if facts.st_size > max_bytes:
        return TooLargeToTake(f"The file has {facts.st_size / 2**20:.0f} MB; the limit is {max_bytes / 2**20:.0f} MB.")
    return None


def _unreachable(path: Path, error: OSError) -> Rejected:
    if os.path.islink(path):  # noqa: PTH114 - Path.is_symlink raises for a path that is too long
        return OutsideRoot("The symbolic link leads nowhere or in a circle.")
    return Unreadable(f"The file cannot be looked at: {error.strerror}.")


def _inside(path: Path, root: Path) -> bool:
    folder = root if os.path.isdir(root) else root.parent  # noqa: PTH112 - as above
    return path.resolve().is_relative_to(folder.resolve())


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISFIFO, "named pipe"), (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"))
    return next((name for test, name in kinds if test(mode)), "device")
