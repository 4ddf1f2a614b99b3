"""Deletions that are held back: a folder whose disk is lost looks empty, and a mirror would delete every document.

`judge` decides over plain numbers. `HeldDeletions` stores what is held back, so that other processes and users see it,
and reads whether a user has confirmed the deletions.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import watched_files
from pipeline.catalog.documents.watched_files import FileKey, FileMark
from pipeline.catalog.work import conditions
from pipeline.catalog.work.conditions import Observation, Timing
from pipeline.ingest.walk import path_of
from pipeline.services import Services
from pipeline.watch.known_files import KnownFiles
from pipeline.watch.snapshot import Snapshot, renumbered_disks

__all__ = ["ALWAYS_ALLOWED", "HeldDeletions", "Hold", "MissingFiles", "count_on_other_disks", "hold_message", "judge"]

log = structlog.get_logger()

Reason = Literal["root_missing", "other_disk", "unreadable", "many_gone"]

ALWAYS_ALLOWED = 10
"""So many files may always be deleted at once, whatever share of the folder they are."""

RECENT_S = 60.0
"""Files deleted within this time count as deleted at once."""

MESSAGES = {
    "root_missing": "the folder itself is not there or cannot be read",
    "other_disk": "they lay on a disk that is not there any more",
    "unreadable": "the folders that they lay in cannot be read",
    "many_gone": "so many went at once",
}


@dataclass(frozen=True, slots=True)
class MissingFiles:
    """How many files of a folder are missing.

    gone            files that are not there
    on_other_disks  those of them that lay on another disk than what is in their place now
    unreadable      known files in folders that cannot be read; they are not among the gone
    recent          files that were deleted within `RECENT_S`
    present         files that are there
    """

    gone: int
    on_other_disks: int = 0
    unreadable: int = 0
    recent: int = 0
    present: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Deletions that are held back: why, and of how many files."""

    reason: Reason
    files: int


def hold_message(reason: str, files: int) -> str:
    """A sentence for users: what is held back, and why."""
    number = "1 file is" if files == 1 else f"{files} files are"
    return f"{number} missing, and {MESSAGES.get(reason, reason)}: the documents are kept."


def judge(missing: MissingFiles, max_share: float, confirmed: int | None) -> tuple[bool, Hold | None]:
    """Whether the documents of missing files may be deleted, and what is held back then.

    Args:
        missing: the numbers of missing files.
        max_share: share of the files that may be deleted at once.
        confirmed: number of files whose deletion a user has confirmed; None if no user has.
    """
    hold = Hold("unreadable", missing.unreadable) if missing.unreadable else None
    if not missing.gone or (confirmed is not None and missing.gone <= confirmed):
        return True, hold
    if missing.on_other_disks:
        return False, Hold("other_disk", missing.gone)
    at_once = missing.gone + missing.recent
    if at_once > max(ALWAYS_ALLOWED, max_share * (missing.present + at_once)):
        return False, Hold("many_gone", missing.gone)
    return True, hold


def count_on_other_disks(gone: Mapping[FileKey, FileMark], renumbered: Mapping[str, str]) -> int:
    """How many of the missing files lay on another disk than what is in their place now.

    Args:
        gone: the missing files with the marks that they had.
        renumbered: {old number: new number} of disks that were mounted again.
    """
    disks: dict[str, str] = {}
    number = 0
    for key, mark in gone.items():
        folder = key[1].rpartition("/")[0]
        if folder not in disks:
            disks[folder] = _disk_of(folder)
        number += disks[folder] not in (mark.device, renumbered.get(mark.device))
    return number


def _disk_of(folder: str) -> str:
    """Number of the disk that holds a folder, or the nearest folder above it that is there."""
    path = path_of(folder)
    while True:
        try:
            return str(path.stat().st_dev)
        except OSError:
            path = path.parent


class HeldDeletions:
    """What is held back in one watched folder; `hold` is None while nothing is."""

    def __init__(self, services: Services, root: str) -> None:
        self.hold: Hold | None = None
        self._services = services
        self._root = root
        self._stored: dict[str, object] = {}
        self._deleted_at: list[float] = []

    @property
    def all_held(self) -> bool:
        """Whether every deletion in the folder waits, and not only those in unreadable sub-folders."""
        return self.hold is not None and self.hold.reason != "unreadable"

    def confirmed(self) -> int | None:
        """How many deletions a user has confirmed, maybe by another process; None if no user has."""
        with self._services.catalog.connect() as connection:
            row = watched_files.get_folder(connection, self._root)
        return row.confirmed if row is not None and row.held is not None else None

    def note_deleted(self, number: int) -> None:
        """Remember that so many files were deleted now."""
        self._deleted_at += [time.monotonic()] * number

    def count_missing(self, snapshot: Snapshot, known: KnownFiles, gone: Collection[FileKey]) -> MissingFiles:
        """The numbers of missing files, `gone` among them, by which `judge` decides."""
        since = time.monotonic() - RECENT_S
        self._deleted_at = [moment for moment in self._deleted_at if moment > since]
        marks = {key: known[key].mark for key in gone}
        unreadable = {key for folder in snapshot.unreadable for key in known.inside(folder, deep=True)}
        return MissingFiles(
            gone=len(gone),
            on_other_disks=count_on_other_disks(marks, renumbered_disks(snapshot)),
            unreadable=len(unreadable - known.gone),
            recent=len(self._deleted_at),
            present=known.present - len(gone),
        )

    def store(self, hold: Hold | None, files: int) -> None:
        """Store what is held back now, and how many files are known.

        Once nothing is held back, a confirmation is forgotten.
        """
        if hold is not None and hold != self.hold:
            log.warning("watch.held", folder=self._root, reason=hold.reason, files=hold.files)
        self.hold = hold
        values: dict[str, object] = {
            "held": hold.reason if hold else None,
            "held_files": hold.files if hold else 0,
            "files": files,
        }
        if values == self._stored:
            return
        now = time.time()
        since = {"held_since": now if hold else None} if values["held"] != self._stored.get("held") else {}
        confirmation = {} if hold else {"confirmed": None}
        with writing(self._services.catalog) as connection:
            watched_files.update_folder(connection, self._root, **values, **since, **confirmation, looked_at=now)
            conditions.observe(connection, [self._observation(hold)], self._timing)
        self._stored = values

    @property
    def _timing(self) -> Timing:
        return Timing(clear_after_s=self._services.settings.notify_clear_s)

    def _observation(self, hold: Hold | None) -> Observation:
        """What is reported: the deletions that wait to be confirmed."""
        if hold is None:
            return Observation("watch.held", self._root, present=False)
        facts = {"files": hold.files, "reason": hold.reason, "message": hold_message(hold.reason, hold.files)}
        return Observation("watch.held", self._root, present=True, severity="warning", facts=facts)
