"""The mirror of one watched folder: scan it, compare it with the catalog, and make the catalog equal to it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import structlog

from pipeline.catalog.documents import watched_files
from pipeline.catalog.documents.watched_files import FileKey, KnownFile
from pipeline.composition.plugins import load_workflow
from pipeline.ingest.walk import source_of
from pipeline.services import Services
from pipeline.settings.watch_folders import WatchFolder
from pipeline.watch import apply
from pipeline.watch.compare import Changes, SeenFile
from pipeline.watch.detect import ChangeDetector, Detected
from pipeline.watch.file_content import FileReader
from pipeline.watch.former_documents import delete_former, rerouted
from pipeline.watch.held_deletions import HeldDeletions, Hold, judge
from pipeline.watch.known_files import KnownFiles
from pipeline.watch.scan import ScannedFile, Scope, scan
from pipeline.watch.settling import Settling
from pipeline.watch.snapshot import Snapshot, in_scope, is_below, take_out_sidecars, take_snapshot

__all__ = ["Mirror"]

log = structlog.get_logger()

RETRY_S = 0.5
"""A file whose document is being processed is tried again after this time."""

OVERDUE_S = 5.0
"""A change that was this old when a scan began, and that no event named, was missed by the events."""


class Mirror:
    """Keeps the documents of one folder equal to its files.

    No other process writes the folder's rows to the catalog while this process holds the folder's lease.

    known           the files as the catalog has them
    unstable        files that keep changing, which are not waited for
    missed          changes that the last scan of the whole folder found and no event had named
    scanning_s      how long the last scan took
    """

    def __init__(self, services: Services, folder: WatchFolder, others: Sequence[Path] = ()) -> None:
        self.services = services
        self.folder = folder = folder.resolved()
        self.root = source_of(folder.path)
        self.known = KnownFiles()
        self.unstable: set[FileKey] = set()
        self.missed = 0
        self.scanning_s = 0.0
        resolved = [Path(os.path.realpath(path)) for path in others]
        self._inner = [path for path in resolved if folder.path in path.parents]
        self._reader = FileReader(folder, self.root, services.settings)
        self._settling = Settling(services.settings.watch_settle_ms / 1000)
        self._detector = ChangeDetector(folder.path, self._reader, self._settling)
        self._held_deletions = HeldDeletions(services, self.root)
        self._sidecar_suffix: str | None = None
        # Files that may have former documents in other collections.
        self._rerouted: set[FileKey] = set()
        self._pending: set[FileKey] = set()

    @property
    def hold(self) -> Hold | None:
        """The deletions that are held back."""
        return self._held_deletions.hold

    def load(self) -> None:
        """Read the known files from the catalog."""
        settings = self.services.settings
        plan = load_workflow(self.folder.workflow or settings.workflow, settings.workflow_options)
        self._sidecar_suffix = plan.sidecar.get("suffix")
        inner = [source_of(path) for path in self._inner]
        with self.services.catalog.connect() as connection:
            files = watched_files.list_files(connection, self.root)
        self.known = KnownFiles({key: row for key, row in files.items() if not is_below(inner, key[1])})
        self._rerouted = set(self.known) if plan.route else set()

    def catch_up(self) -> None:
        """Sync until all changes are done that were there at the beginning. What still changes then is `unstable`."""
        self.load()
        wait, began = self.sync(), time.monotonic()
        while wait is not None and any(self._settling.first_seen_at(key) <= began for key in self._pending):
            time.sleep(wait)
            wait = self.sync()
        self.unstable |= self._pending

    def sync(self, scope: Scope | None = None, event_paths: Collection[Path] = ()) -> float | None:
        """Scan the folder, or a part of it, and apply the changes that have settled.

        Args:
            scope: the part to scan; None for the whole folder.
            event_paths: what events have named since the last call.

        Returns:
            Seconds after which the same part has to be scanned again. None if nothing is left to do there, except for
            the files in `unstable`.
        """
        snapshot = self._take_snapshot(scope, event_paths)
        if snapshot is None:
            return self._sync_without_root()
        scanned = {key for key in self._settling if in_scope(key[1], scope)}
        self._settling.update(snapshot.changed, scanned | snapshot.known.keys())
        self._pending = {key for key in snapshot.changed if not self._is_held(key, snapshot)}
        wait = self._settling.wait_s(self._pending)
        if wait is not None:
            return wait
        detected = self._detector.detect(snapshot, self.known)
        waiting = self._apply(snapshot, detected, whole=scope is None)
        return self._next_wait(snapshot, scope, detected.unsettled, waiting)

    def _next_wait(
        self, snapshot: Snapshot, scope: Scope | None, unsettled: set[FileKey], waiting: set[FileKey]
    ) -> float | None:
        """Note which files still change or have to wait; seconds until the next scan, None if no file waits."""
        missing = {key for key, mark in snapshot.changed.items() if mark is None}
        unsettled = unsettled | {key for key in missing if not self._is_handled(key, snapshot)}
        unstable = {key for key in unsettled if self._settling.keeps_changing(key)}
        self.unstable = {key for key in self.unstable if not in_scope(key[1], scope)} | unstable
        self._pending = (unsettled - unstable) | waiting
        wait = self._settling.wait_s(unsettled - unstable)
        return (wait or RETRY_S) if self._pending else None

    # Scanning

    def _take_snapshot(self, scope: Scope | None, event_paths: Collection[Path]) -> Snapshot | None:
        """The files that are there beside the known ones; None if the folder itself cannot be listed."""
        began, due = time.monotonic(), time.time() - OVERDUE_S
        try:
            scanned = scan(self.folder.path, scope, self._excluded())
        except OSError:
            return None
        self.scanning_s = time.monotonic() - began
        sidecars = take_out_sidecars(scanned, self._sidecar_suffix)
        keys = {source: self._reader.key_of(source) for source in scanned.files}
        snapshot = take_snapshot(scanned, keys, self.known, scope, sidecars)
        if scope is None:
            present = {key: snapshot.present[key] for key, mark in snapshot.changed.items() if mark is not None}
            overdue = {key: file for key, file in present.items() if file.mark.written_at / 1e9 < due}
            self.missed = sum(self._was_missed(key, file, event_paths) for key, file in overdue.items())
        return snapshot

    def _excluded(self) -> set[tuple[int, int]]:
        """Device and inode of folders inside that do not belong to it: the data folder, and folders watched apart."""
        excluded = set()
        for path in (self.services.settings.data_dir, *self._inner):
            try:
                facts = path.stat()
            except OSError:
                continue
            excluded.add((facts.st_dev, facts.st_ino))
        return excluded

    def _was_missed(self, key: FileKey, file: ScannedFile, event_paths: Collection[Path]) -> bool:
        """Whether no event has named a change, so that events cannot be trusted. A folder's event covers all below."""
        known = self.known.get(key)
        named = key in self._settling or any(path in event_paths for path in (file.path, *file.path.parents))
        # A change by another hard link, or at the end of a symbolic link, has its event elsewhere.
        elsewhere = file.links > 1 or file.path.is_symlink()
        # A file below a renamed folder is not changed; its own times are older.
        moved = known is None and bool(self.known.with_inode(file.mark.inode))
        untouched = moved or (known is not None and known.mark.same(file.mark))
        return not named and not elsewhere and not untouched

    def _is_held(self, key: FileKey, snapshot: Snapshot) -> bool:
        """Whether the only change is a deletion that is held back, or that the folder's settings do not allow."""
        return snapshot.changed[key] is None and (self._held_deletions.all_held or not self.folder.delete_missing)

    def _is_handled(self, key: FileKey, snapshot: Snapshot) -> bool:
        """Whether a missing file was handled, or is held back."""
        return key not in self._settling or self._settling.is_settled(key) or self._is_held(key, snapshot)

    # Applying

    def _apply(self, snapshot: Snapshot, detected: Detected, *, whole: bool) -> set[FileKey]:
        """Apply the changes.

        Returns:
            The files that have to wait until their documents are processed.
        """
        changes, seen = detected.changes, detected.seen
        self._hold_back(snapshot, changes, whole=whole)
        # After the renames the former documents could not be found: their sources are the old names.
        renamed = self._rerouted & set(changes.moved.values())
        self._rerouted -= delete_former(self.services, self.root, self.known, renamed, wait_for_current=False)
        moved = apply.move(self.services, self.known, changes, seen)
        updated = moved.rows | (apply.update_disks(self.services, snapshot) if whole else {})
        deleted = apply.delete_missing(self.services, self.root, self.known, changes.gone, self._rerouted)
        self._held_deletions.note_deleted(len(deleted))
        self._store(updated | deleted, moved.left)
        ingested = self._ingest(snapshot, (changes.new | changes.changed | moved.failed) - moved.waiting, seen)
        self._settling.forget(moved.rows.keys() | ingested | deleted.keys() | set(changes.moved.values()))
        if moved.rows or deleted or ingested or changes.retagged:
            counts = {name: len(getattr(changes, name)) for name in Changes.__dataclass_fields__}
            log.info("watch.changes", folder=self.root, **counts)
        apply.clean_up(self.services)
        if whole:
            self._rerouted -= delete_former(self.services, self.root, self.known, self._rerouted)
            self.known.drop(apply.forget_gone(self.services, self.known))
        self._held_deletions.store(self.hold, self.known.present)
        return moved.waiting

    def _ingest(self, snapshot: Snapshot, keys: Collection[FileKey], seen: Mapping[FileKey, SeenFile]) -> set[FileKey]:
        """Ingest those of the files that were read; the keys of these."""
        files = {key: snapshot.present[key] for key in sorted(keys) if key in seen}
        candidates = {key: self._reader.candidate_of(file) for key, file in files.items()}
        present = {key: candidate for key, candidate in candidates.items() if candidate is not None}
        rows = apply.ingest(self.services, self.folder, present, seen, self.known)
        self._rerouted |= rerouted(self.known, rows)
        self._store(rows, ())
        return set(files)

    def _store(self, rows: Mapping[FileKey, KnownFile], left: Collection[FileKey]) -> None:
        self.known.drop(left)
        self.known.put(rows)

    # Holding deletions back

    def _hold_back(self, snapshot: Snapshot, changes: Changes, *, whole: bool) -> None:
        """Take the deletions that must not be done out of the changes."""
        if not self.folder.delete_missing:
            changes.gone.clear()
        if not whole and self._held_deletions.all_held:
            changes.gone.clear()  # until the whole folder has been scanned
            return
        confirmed = self._held_deletions.confirmed() if whole else None
        max_share = self.services.settings.watch_max_gone
        missing = self._held_deletions.count_missing(snapshot, self.known, changes.gone)
        allowed, hold = judge(missing, max_share, confirmed)
        if not allowed:
            changes.gone.clear()
        if whole or hold is not None:
            self._held_deletions.store(hold, self.known.present)

    def _sync_without_root(self) -> float | None:
        """The folder itself is not there: no document is deleted unless a user has confirmed it."""
        missing = self.known.keys() - self.known.gone
        confirmed = self._held_deletions.confirmed()
        may_delete = self.folder.delete_missing and confirmed is not None and len(missing) <= confirmed
        if missing and may_delete:
            rows = apply.delete_missing(self.services, self.root, self.known, missing, self._rerouted)
            self._store(rows, ())
            self._held_deletions.store(None, self.known.present)
        else:
            self._held_deletions.store(Hold("root_missing", len(missing)), self.known.present)
        return None
