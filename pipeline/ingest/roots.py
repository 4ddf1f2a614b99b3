"""Read files only while they lie below allowed folders, whatever links other processes make meanwhile."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from io import BufferedReader
from pathlib import Path

from pipeline.errors import NotAFile, OutsideRoot, Unreadable
from pipeline.ingest.walk import Candidate, candidate_at, path_of
from pipeline.settings import Settings
from pipeline.types import NamedPaths

__all__ = ["bounds", "find_again", "open_regular", "open_within", "resolve_below", "resolve_roots", "root_of"]

READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags for a folder on the way to a file: it is passed through, not listed."""


def root_of(named: NamedPaths, source: str) -> Path | None:
    """The path, of those named for the job, at or below which this source lies; None if there is none."""
    if named.paths is None:
        return path_of(source)
    return next((path_of(path) for path in named.paths if Path(source).is_relative_to(path)), None)


def bounds(named: NamedPaths, root: Path, api_roots: Sequence[str]) -> tuple[Path, ...] | None:
    """Folders below one of which a file of this root must lie; None for anywhere: the user named the file itself."""
    if named.confined:
        return resolve_roots(api_roots)
    return (root.resolve(),) if os.path.isdir(root) else None  # noqa: PTH112 - Path.is_dir may raise


def find_again(settings: Settings, named: NamedPaths, source: str, max_bytes: int | None = None) -> Candidate:
    """Find the file of a known document as it is now, by the rules of the job that it came in by.

    Args:
        settings: name the `api_roots`, and the largest file that may be read.
        named: the paths of the job that it came in by.
        source: its source.
        max_bytes: a larger file has the problem `too_large`; None for the settings' limit.

    Returns:
        A candidate with a problem if the file is gone, or may not be read.
    """
    path, root = path_of(source), root_of(named, source)
    candidate = None
    if path.is_absolute() and root is not None:
        candidate = candidate_at(path, root, settings.max_file_mb << 20 if max_bytes is None else max_bytes)
    if candidate is None or root is None:
        return Candidate(path, source, 0, Unreadable("The file is not there any more."))
    return replace(candidate, within=bounds(named, root, settings.api_roots))


def resolve_roots(names: Sequence[str]) -> tuple[Path, ...]:
    """Folders of the settings, with all links followed."""
    return tuple(Path(name).expanduser().resolve() for name in names)


def resolve_below(path: Path, roots: Sequence[Path]) -> Path | None:
    """The path with all links followed; None if it is not below one of the roots, which have no links in them.

    Raises:
        OSError: it cannot be followed.
    """
    try:
        real = path.resolve()
    except RuntimeError as error:  # raised for links in a circle
        raise OSError(str(error)) from error
    return real if any(real.is_relative_to(root) for root in roots) else None


def open_within(path: Path, roots: Sequence[Path] | None) -> int:
    """Open a file for reading; with roots, only if it lies below one of them at that moment.

    A link is followed before the check and none after it: the path is walked again folder by folder, so a folder
    that is exchanged for a link in between leads nowhere.

    Returns:
        The descriptor. Reading does not block on a pipe that took the file's place.

    Raises:
        OutsideRoot: it leads out of the roots.
        OSError: it cannot be opened.
    """
    if roots is None:
        return os.open(path, READ)
    real = resolve_below(path, roots)
    if real is None:
        raise OutsideRoot("The file lies outside the folders that it was found in.")
    root = next(root for root in roots if real.is_relative_to(root))
    return _step_by_step(root, real.relative_to(root).parts)


def open_regular(path: Path, roots: Sequence[Path] | None) -> BufferedReader:
    """Open a regular file for reading, as `open_within` does.

    Raises:
        NotAFile: it is a pipe, a device or a folder.
        OutsideRoot: it leads out of the roots.
        OSError: it cannot be opened.
    """
    descriptor = open_within(path, roots)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAFile
    return os.fdopen(descriptor, "rb")


def _step_by_step(root: Path, parts: Sequence[str]) -> int:
    if not parts:
        return os.open(root, READ | os.O_NOFOLLOW)
    folder = os.open(root, STEP)
    try:
        for part in parts[:-1]:
            below = os.open(part, STEP, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(parts[-1], READ | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)
