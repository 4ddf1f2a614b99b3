"""Whether what is missing was deleted: a mirror that takes a lost disk for an empty one deletes everything."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.catalog.documents.watched_files import FileKey, FileMark
from pipeline.ingest.walk import path_of

__all__ = ["FEW", "Hold", "Missing", "below", "elsewhere", "judge", "told"]

Reason = Literal["root_missing", "other_disk", "unreadable", "many_gone"]

FEW = 10
"""So many files may always go at once."""

TOLD = {
    "root_missing": "the folder itself is not there or cannot be read",
    "other_disk": "they lay on a disk that is not there any more",
    "unreadable": "the folders that they lay in cannot be read",
    "many_gone": "so many went at once",
}


@dataclass(frozen=True, slots=True)
class Missing:
    """What is missing in a folder.

    gone         documents whose files are not there
    elsewhere    those of them that lay on another disk than what is in their place now
    closed       documents of files in folders that cannot be read; they are not among the gone
    before       files that were deleted in the last minute
    files        files that are there
    """

    gone: int
    elsewhere: int = 0
    closed: int = 0
    before: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Deletions are held back: why, and of how many files."""

    reason: Reason
    files: int


def told(reason: str, files: int) -> str:
    """For people: what is held back, and why."""
    number = "1 file is" if files == 1 else f"{files} files are"
    return f"{number} missing, and {TOLD.get(reason, reason)}: the documents are kept."


def judge(missing: Missing, most_gone: float, confirmed: int | None) -> tuple[bool, Hold | None]:
    """Whether the documents of missing files may be deleted, and what is to be told.

    Args:
        missing: what is missing.
        most_gone: share of the files that may go at once.
        confirmed: so many may go, somebody said who was told of them.
    """
    told = Hold("unreadable", missing.closed) if missing.closed else None
    if not missing.gone or (confirmed is not None and missing.gone <= confirmed):
        return True, told
    if missing.elsewhere:
        return False, Hold("other_disk", missing.gone)
    at_once = missing.gone + missing.before
    if at_once > max(FEW, most_gone * (missing.files + at_once)):
        return False, Hold("many_gone", missing.gone)
    return True, told


def below(folders: Collection[str], source: str) -> bool:
    """Whether a source lies below one of the folders."""
    return any(source.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def elsewhere(gone: Mapping[FileKey, FileMark], renumbered: Mapping[str, str]) -> int:
    """How many of the missing files lay on another disk than what is in their place now.

    Args:
        gone: the missing files as they were.
        renumbered: disks that got another number when they were mounted again.
    """
    devices: dict[str, str] = {}
    number = 0
    for key, mark in gone.items():
        folder = key[1].rpartition("/")[0]
        if folder not in devices:
            devices[folder] = _device(folder)
        number += devices[folder] not in (mark.device, renumbered.get(mark.device))
    return number


def _device(folder: str) -> str:
    """The disk of a folder, or of the nearest one above it that is there."""
    path = path_of(folder)
    while True:
        try:
            return str(path.stat().st_dev)
        except OSError:
            path = path.parent
