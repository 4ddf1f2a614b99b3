"""Find the changes in a snapshot of a folder: read the files that have settled, and compare all with the catalog."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.catalog.documents.watched_files import FileKey
from pipeline.watch.compare import Changes, SeenFile, compare
from pipeline.watch.events import is_trusted
from pipeline.watch.file_content import FileReader, is_written
from pipeline.watch.known_files import KnownFiles
from pipeline.watch.settling import Settling
from pipeline.watch.snapshot import Snapshot

__all__ = ["ChangeDetector", "Detected"]


@dataclass(slots=True)
class Detected:
    """Changes of a snapshot; the files that were read to find them; and the files that still change."""

    changes: Changes
    seen: dict[FileKey, SeenFile] = field(default_factory=dict)
    unsettled: set[FileKey] = field(default_factory=set)


class ChangeDetector:
    """Finds changes in the snapshots of one folder.

    Args:
        folder: the watched folder.
        reader: reads its files.
        settling: knows since when each change is as it is.
    """

    def __init__(self, folder: Path, reader: FileReader, settling: Settling) -> None:
        self._reader = reader
        self._settling = settling
        self._can_see_writers = is_trusted(folder)

    def detect(self, snapshot: Snapshot, known: KnownFiles) -> Detected:
        """Read the changed files that are complete, and compare the folder with the known files."""
        detected = Detected(Changes())
        complete = self._complete(snapshot)
        for key, mark in snapshot.changed.items():
            if mark is None:
                continue
            file = self._reader.read(key, snapshot) if key in complete else None
            if file is None:
                detected.unsettled.add(key)
            else:
                detected.seen[key] = file
        self._reader.remember(detected.seen)
        unchanged = {key: self._reader.unread(key, snapshot) for key in snapshot.present if key not in snapshot.changed}
        # A deleted document can only be revived by a file that has changed.
        gone = known.gone if detected.seen else set()
        rows = {key: known[key] for key in gone} | snapshot.known
        rows = {key: row for key, row in rows.items() if key not in detected.unsettled}
        changes = detected.changes = compare({**unchanged, **detected.seen}, rows)
        changes.gone = {key for key in changes.gone if key in self._settling and self._settling.is_settled(key)}
        return detected

    def _complete(self, snapshot: Snapshot) -> set[FileKey]:
        """Changed files that have settled, and that no program is writing to."""
        present = {key for key, mark in snapshot.changed.items() if mark is not None}
        settled = {key for key in present if self._settling.is_settled(key)}
        if not self._can_see_writers:
            return settled
        known_contents = {known.mark.content for known in snapshot.known.values()}
        doubtful = {key for key in settled if snapshot.present[key].mark.content not in known_contents}
        waiting = {key for key in doubtful if self._settling.waits_for_writer(key)}
        return settled - {key for key in waiting if is_written(snapshot.present[key].path)}
