"""A mirror of one folder: looks at it, compares it with the catalog, and makes the catalog equal to it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from pipeline.catalog.documents import watched_files
from pipeline.catalog.documents.watched_files import FileKey, KnownFile
from pipeline.composition.plugins import load_workflow
from pipeline.ingest.walk import Candidate, look, source_of
from pipeline.services import Services
from pipeline.settings.watch_folders import WatchFolder
from pipeline.types import Tags
from pipeline.watch import apply
from pipeline.watch.compare import Changes, SeenFile, compare
from pipeline.watch.deletion_guard import Hold, Missing, below, elsewhere, judge
from pipeline.watch.events import is_trusted
from pipeline.watch.file_content import digest, is_written
from pipeline.watch.held_deletions import Holding
from pipeline.watch.known_files import Files
from pipeline.watch.scan import Found, Scope, scan
from pipeline.watch.settling import Settling
from pipeline.watch.view import View, in_scope, renumbering, view_of, without_sidecars

__all__ = ["Mirror"]

log = structlog.get_logger()

LATELY_S = 60.0
"""Files that go within this time count as gone at once."""

AGAIN_S = 0.5
"""What could not be done now, for its document is being worked on, is tried again."""

OVERDUE_S = 5.0
"""A change that was this old when a look began, and of which no event told, was missed."""


class Mirror:
    """One folder. `known` is what the catalog says of it: nobody else writes there while the folder is ours."""

    def __init__(self, services: Services, folder: WatchFolder, others: Sequence[Path] = ()) -> None:
        self.services = services
        self.folder = folder = folder.resolved()
        self.root = source_of(folder.path)
        self.known = Files()
        self.restless: set[FileKey] = set()
        self.missed = 0
        self.scanning_s = 0.0
        resolved = [Path(os.path.realpath(path)) for path in others]
        self._others = [path for path in resolved if folder.path in path.parents]
        self._tells_writers = is_trusted(folder.path)
        self._settling = Settling(services.settings.watch_settle_ms / 1000)
        self._suffix: str | None = None
        self._behind: set[FileKey] = set()
        self._pending: set[FileKey] = set()
        self._sights: dict[FileKey, SeenFile] = {}
        self._deleted: list[float] = []
        self._holding = Holding(services, self.root)

    @property
    def hold(self) -> Hold | None:
        """What deletions are held back."""
        return self._holding.hold

    def load(self) -> None:
        """Read what is known from the catalog."""
        settings = self.services.settings
        plan = load_workflow(self.folder.workflow or settings.workflow, settings.workflow_options)
        self._suffix = plan.sidecar.get("suffix")
        inner = [source_of(path) for path in self._others]
        with self.services.catalog.connect() as connection:
            found = watched_files.files(connection, self.root)
        self.known = Files({key: row for key, row in found.items() if not below(inner, key[1])})
        self._behind = set(self.known) if plan.route else set()

    def catch_up(self) -> None:
        """Look until all is done that was to be done at the first look; what still changes then is `restless`."""
        self.load()
        wait, began = self.look(), time.monotonic()
        while wait is not None and any(self._settling.opened_at(key) <= began for key in self._pending):
            time.sleep(wait)
            wait = self.look()
        self.restless |= self._pending

    def look(self, scope: Scope | None = None, told: Collection[Path] = ()) -> float | None:
        """Look at the folder, or a part of it, and do what is to be done.

        Args:
            scope: only there; None for the whole folder.
            told: what events have named since the last look.

        Returns:
            Seconds after which the same has to be looked at again; None when nothing is left to do there but what
            does not come to rest: these files are `restless`.
        """
        view = self._view(scope, told)
        if view is None:
            return self._without_root()
        looked_at = {key for key in self._settling if in_scope(key[1], scope)}
        self._settling.note(view.opened, looked_at | view.known.keys())
        self._pending = {key for key in view.opened if not self._is_held(key, view)}
        wait = self._settling.wait_s(self._pending)
        if wait is not None:
            return wait
        changes, sights, unsettled = self._compare(view)
        waiting = self._apply(view, changes, sights, whole=scope is None)
        unsettled |= {key for key, mark in view.opened.items() if mark is None and not self._is_done(key, view)}
        restless = {key for key in unsettled if self._settling.restless(key)}
        self.restless = {key for key in self.restless if not in_scope(key[1], scope)} | restless
        self._pending = (unsettled - restless) | waiting
        wait = self._settling.wait_s(unsettled - restless)
        return (wait or AGAIN_S) if self._pending else None

    # Looking

    def _view(self, scope: Scope | None, told: Collection[Path]) -> View | None:
        began, due = time.monotonic(), time.time() - OVERDUE_S
        try:
            found = scan(self.folder.path, scope, self._left_out())
        except OSError:
            return None
        self.scanning_s = time.monotonic() - began
        beside = without_sidecars(found, self._suffix)
        view = view_of(found, {source: self._key(source) for source in found.files}, self.known, scope, beside)
        if scope is None:
            overdue = {key for key, mark in view.opened.items() if mark and view.seen[key].mark.written_at / 1e9 < due}
            self.missed = sum(self._was_missed(key, view.seen[key], told) for key in overdue)
        return view

    def _key(self, source: str) -> FileKey:
        return self.folder.collection_of(self._below_root(source), self.services.settings.collection), source

    def _tags(self, key: FileKey) -> Tags | None:
        return self.folder.tags_of(self._below_root(key[1]))

    def _below_root(self, source: str) -> str:
        return source[len(self.root) :].strip("/").rpartition("/")[0]

    def _left_out(self) -> set[tuple[int, int]]:
        """Folders inside that are not part of it: Docrelay's own, and those that are watched by themselves."""
        found = set()
        for path in (self.services.settings.data_dir, *self._others):
            try:
                facts = path.stat()
            except OSError:
                continue
            found.add((facts.st_dev, facts.st_ino))
        return found

    def _was_missed(self, key: FileKey, file: Found, told: Collection[Path]) -> bool:
        """Whether nobody told of a change, so that events cannot be trusted. A folder's event tells of all below it."""
        row = self.known.get(key)
        named = key in self._settling or any(path in told for path in (file.path, *file.path.parents))
        # A change by another of its names, or at the end of a link, is told elsewhere.
        elsewhere = file.links > 1 or file.path.is_symlink()
        # A file below a renamed folder is only elsewhere; its own times tell of older things.
        moved = row is None and bool(self.known.with_inode(file.mark.inode))
        untouched = moved or (row is not None and row.mark.same(file.mark))
        return not named and not elsewhere and not untouched

    def _is_held(self, key: FileKey, view: View) -> bool:
        """Whether a change is only that its deletion is held back, or not wanted: nobody has to wait for it."""
        held = self.hold is not None and self.hold.reason != "unreadable"
        return view.opened[key] is None and (held or not self.folder.delete_missing)

    def _is_done(self, key: FileKey, view: View) -> bool:
        """Whether a missing file was handled, or is held back."""
        return key not in self._settling or self._settling.settled(key) or self._is_held(key, view)

    # Comparing

    def _compare(self, view: View) -> tuple[Changes, dict[FileKey, SeenFile], set[FileKey]]:
        """What has happened, as far as it has settled; the files that were read for it; those that still change."""
        sights: dict[FileKey, SeenFile] = {}
        unsettled: set[FileKey] = set()
        complete = self._complete(view)
        for key, mark in view.opened.items():
            if mark is None:
                continue
            sight = self._read(key, view) if key in complete else None
            if sight is None:
                unsettled.add(key)
            else:
                sights[key] = sight
        # Who waits for a rename is not read at every look.
        self._sights = {key: one for key, one in sights.items() if one.sha256}
        calm = {key: self._unread(key, view) for key in view.seen if key not in view.opened}
        gone = self.known.gone if sights else set()
        rows = {key: self.known[key] for key in gone} | view.known
        changes = compare({**calm, **sights}, {key: row for key, row in rows.items() if key not in unsettled})
        changes.gone = {key for key in changes.gone if key in self._settling and self._settling.settled(key)}
        return changes, sights, unsettled

    def _complete(self, view: View) -> set[FileKey]:
        """Files that have settled, and that nobody is about to write more of."""
        settled = {key for key, mark in view.opened.items() if mark is not None and self._settling.settled(key)}
        if not self._tells_writers:
            return settled
        unwritten = {row.mark.content for row in view.known.values()}
        doubtful = {key for key in settled if view.seen[key].mark.content not in unwritten}
        return settled - {key for key in doubtful if self._settling.patient(key) and is_written(view.seen[key].path)}

    def _read(self, key: FileKey, view: View) -> SeenFile | None:
        """A file with its content's name, if it can be taken; None if it changes just now."""
        file, before = view.seen[key], self._sights.get(key)
        unread = self._unread(key, view)
        if before is not None and before.mark == file.mark:
            return replace(unread, sha256=before.sha256)
        candidate = self._candidate(file)
        if candidate is None or candidate.problem is not None:
            return unread
        found = digest(file.path)
        if found is None:
            return unread  # intake says what is wrong with it
        return replace(unread, sha256=found[0]) if found[1].same(file.mark) else None

    def _unread(self, key: FileKey, view: View) -> SeenFile:
        return SeenFile(view.seen[key].mark, tags=self._tags(key), beside=view.beside.get(key))

    def _candidate(self, file: Found) -> Candidate | None:
        return look(file.path, self.folder.path, self.services.settings.max_file_mb << 20)

    # Doing

    def _apply(self, view: View, changes: Changes, sights: Mapping[FileKey, SeenFile], *, whole: bool) -> set[FileKey]:
        """Do it; the files that have to wait for their documents."""
        self._guard(view, changes, whole=whole)
        # Nobody would ask for what they left under their former names.
        renamed = self._behind & set(changes.moved.values())
        self._behind -= apply.leave(self.services, self.root, self.known, renamed, patient=False)
        moves = apply.move(self.services, self.known, changes, sights)
        renewed = moves.rows | (apply.renumber(self.services, view) if whole else {})
        deleted = apply.remove(self.services, self.root, self.known, changes.gone, self._behind)
        self._deleted += [time.monotonic()] * len(deleted)
        self._remember(renewed | deleted, moves.left)
        wanted = (changes.new | changes.changed | moves.failed) - moves.waiting
        files = {key: view.seen[key] for key in sorted(wanted) if key in sights}
        found = {key: one for key, file in files.items() if (one := self._candidate(file)) is not None}
        taken = apply.take(self.services, self.folder, found, sights, self.known)
        self._behind |= apply.rerouted(self.known, taken)
        self._remember(taken, ())
        self._settling.done(moves.rows.keys() | files.keys() | deleted.keys() | set(changes.moved.values()))
        if moves.rows or deleted or files or changes.retagged:
            told = {name: len(getattr(changes, name)) for name in Changes.__dataclass_fields__}
            log.info("watch.changes", folder=self.root, **told)
        apply.tidy(self.services)
        if whole:
            self._behind -= apply.leave(self.services, self.root, self.known, self._behind)
            self.known.drop(apply.forget_gone(self.services, self.known))
        self._say_hold(self.hold)
        return moves.waiting

    def _remember(self, rows: Mapping[FileKey, KnownFile], left: Collection[FileKey]) -> None:
        self.known.drop(left)
        self.known.put(rows)

    # Holding back

    def _guard(self, view: View, changes: Changes, *, whole: bool) -> None:
        """Take out of the changes the deletions that must not be done."""
        if not self.folder.delete_missing:
            changes.gone.clear()
        if not whole and self.hold is not None and self.hold.reason != "unreadable":
            changes.gone.clear()  # until the whole folder has been looked at
            return
        lately = time.monotonic() - LATELY_S
        self._deleted = [moment for moment in self._deleted if moment > lately]
        missing = Missing(
            gone=len(changes.gone),
            elsewhere=elsewhere({key: self.known[key].mark for key in changes.gone}, renumbering(view)),
            closed=self._closed(view),
            before=len(self._deleted),
            files=self.known.there - len(changes.gone),
        )
        allowed, hold = judge(
            missing, self.services.settings.watch_max_gone, self._holding.confirmed() if whole else None
        )
        if not allowed:
            changes.gone.clear()
        if whole or hold is not None:
            self._say_hold(hold)

    def _say_hold(self, hold: Hold | None) -> None:
        self._holding.say(hold, self.known.there)

    def _closed(self, view: View) -> int:
        """Files in folders that cannot be read."""
        found = {key for folder in view.closed for key in self.known.inside(folder, deep=True)}
        return len(found - self.known.gone)

    def _without_root(self) -> float | None:
        """The folder is not there: nothing is taken for deleted, unless somebody has said so."""
        gone = self.known.keys() - self.known.gone
        confirmed = self._holding.confirmed()
        wanted = self.folder.delete_missing and confirmed is not None and len(gone) <= confirmed
        if gone and wanted:
            rows = apply.remove(self.services, self.root, self.known, gone, self._behind)
            self._remember(rows, ())
            self._say_hold(None)
        else:
            self._say_hold(Hold("root_missing", len(gone)))
        return None
