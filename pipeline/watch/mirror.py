"""A mirror of one folder: looks at it, compares it with the catalog, and makes the catalog equal to it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from pipeline.catalog import watched
from pipeline.catalog.engine import writing
from pipeline.services import Services
from pipeline.tags import Tags
from pipeline.walk import Candidate, look, source_of
from pipeline.watch import acting
from pipeline.watch.compare import Changes, Key, Known, Seen, compare
from pipeline.watch.events import is_trusted
from pipeline.watch.folders import WatchFolder
from pipeline.watch.guard import Hold, Missing, below, elsewhere, judge
from pipeline.watch.holding import Holding
from pipeline.watch.reading import digest, is_written
from pipeline.watch.scan import Found, Scope, scan
from pipeline.watch.settling import Settling
from pipeline.watch.view import View, in_scope, is_calm, renumbering

__all__ = ["Mirror"]

log = structlog.get_logger()

LATELY_S = 60.0
"""Files that go within this time count as gone at once."""

AGAIN_S = 0.5
"""What could not be done now, for its document is being worked on, is tried again."""

OVERDUE_S = 5.0
"""A change this old of which no event told was missed."""


class Mirror:
    """One folder. `known` is what the catalog says of it: nobody else writes there while the folder is ours."""

    def __init__(self, services: Services, folder: WatchFolder, others: Sequence[Path] = ()) -> None:
        self.services = services
        self.folder = folder
        self.root = source_of(folder.path)
        self.known: dict[Key, Known] = {}
        self.missed = 0
        self.scanning_s = 0.0
        self._others = [path for path in others if folder.path in path.parents]
        self._tells_writers = is_trusted(folder.path)
        self._settling = Settling(services.settings.watch_settle_ms / 1000)
        self._deleted: list[float] = []
        self._holding = Holding(services, self.root)

    @property
    def hold(self) -> Hold | None:
        """What deletions are held back."""
        return self._holding.hold

    def load(self) -> None:
        """Read what is known from the catalog."""
        inner = [source_of(path) for path in self._others]
        with self.services.catalog.connect() as connection:
            found = watched.files(connection, self.root)
        self.known = {key: row for key, row in found.items() if not below(inner, key[1])}

    def catch_up(self) -> None:
        """Look until nothing is left to do."""
        self.load()
        while (wait := self.look()) is not None:
            time.sleep(wait)

    def look(self, scope: Scope | None = None) -> float | None:
        """Look at the folder, or a part of it, and do what is to be done.

        Returns:
            Seconds after which the same has to be looked at again; None when nothing is left to do there.
        """
        view = self._view(scope)
        if view is None:
            return self._without_root()
        self._settling.note(view.opened, view.seen.keys() | view.known.keys())
        wait = self._settling.wait_s([key for key in view.opened if not self._is_held(key, view)])
        if wait is not None and view.opened:
            return wait
        changes, sights, restless = self._compare(view)
        waiting = self._apply(view, changes, sights, whole=scope is None)
        restless |= {key for key, mark in view.opened.items() if mark is None and not self._is_done(key, view)}
        if restless:
            return self._settling.wait_s(restless) or AGAIN_S
        return AGAIN_S if waiting else None

    # Looking

    def _view(self, scope: Scope | None) -> View | None:
        began = time.monotonic()
        try:
            found = scan(self.folder.path, scope, self._left_out())
        except OSError:
            return None
        self.scanning_s = time.monotonic() - began
        view = View(closed=found.closed)
        view.seen = {self._key(source): file for source, file in found.files.items()}
        view.known = {key: row for key, row in self.known.items() if in_scope(key[1], scope, found)}
        self._follow_inodes(view)
        fresh = {key: file for key, file in view.seen.items() if not is_calm(file.mark, view.known.get(key))}
        if scope is None:
            self.missed = sum(self._was_missed(key, file) for key, file in fresh.items())
        view.opened = {key: file.mark for key, file in fresh.items()}
        view.opened |= {key: None for key, row in view.known.items() if key not in view.seen and not row.gone}
        return view

    def _key(self, source: str) -> Key:
        return self.folder.collection_of(self._below_root(source), self.services.settings.collection), source

    def _tags(self, key: Key) -> Tags | None:
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

    def _follow_inodes(self, view: View) -> None:
        """A file that turned up may be one that was elsewhere, in a folder that no event has named yet."""
        fresh = {file.mark.inode for key, file in view.seen.items() if key not in self.known}
        if not fresh:
            return
        for key, row in self.known.items():
            if row.mark.inode in fresh and key not in view.known and not os.path.lexists(os.fsencode(key[1])):
                view.known[key] = row

    def _was_missed(self, key: Key, file: Found) -> bool:
        row = self.known.get(key)
        told = key in self._settling or file.links > 1 or file.path.is_symlink()
        untouched = row is not None and row.mark.same(file.mark)
        overdue = time.time() - max(file.mark.mtime_ns, file.mark.ctime_ns) / 1e9 > OVERDUE_S
        return overdue and not told and not untouched

    def _is_held(self, key: Key, view: View) -> bool:
        """Whether a change is only that its deletion is held back, or not wanted: nobody has to wait for it."""
        held = self.hold is not None and self.hold.reason != "unreadable"
        return view.opened[key] is None and (held or not self.folder.delete_missing)

    def _is_done(self, key: Key, view: View) -> bool:
        """Whether a missing file was handled, or is held back."""
        return key not in self._settling or self._settling.settled(key) or self._is_held(key, view)

    # Comparing

    def _compare(self, view: View) -> tuple[Changes, dict[Key, Seen], set[Key]]:
        """What has happened, as far as it has settled; the files that were read for it; those that still change."""
        sights: dict[Key, Seen] = {}
        unsettled: set[Key] = set()
        complete = self._complete(view)
        for key, mark in view.opened.items():
            if mark is None:
                continue
            sight = self._read(key, view.seen[key]) if key in complete else None
            if sight is None:
                unsettled.add(key)
            else:
                sights[key] = sight
        calm = {key: Seen(file.mark, tags=self._tags(key)) for key, file in view.seen.items() if key not in view.opened}
        rows = {key: row for key, row in self.known.items() if row.gone} | view.known
        changes = compare({**calm, **sights}, {key: row for key, row in rows.items() if key not in unsettled})
        changes.gone = {key for key in changes.gone if key in self._settling and self._settling.settled(key)}
        return changes, sights, unsettled

    def _complete(self, view: View) -> set[Key]:
        """Files that have settled, and that nobody is about to write more of."""
        settled = {key for key, mark in view.opened.items() if mark is not None and self._settling.settled(key)}
        if not self._tells_writers:
            return settled
        unwritten = {row.mark.content for row in view.known.values()}
        doubtful = {key for key in settled if view.seen[key].mark.content not in unwritten}
        return settled - {key for key in doubtful if self._settling.patient(key) and is_written(view.seen[key].path)}

    def _read(self, key: Key, file: Found) -> Seen | None:
        """A file with its content's name, if it can be taken; None if it changes just now."""
        unread = Seen(file.mark, tags=self._tags(key))
        candidate = self._candidate(file)
        if candidate is None or candidate.problem is not None:
            return unread
        found = digest(file.path)
        if found is None:
            return unread  # intake says what is wrong with it
        return replace(unread, sha256=found[0]) if found[1].same(file.mark) else None

    def _candidate(self, file: Found) -> Candidate | None:
        return look(file.path, self.folder.path, self.services.settings.max_file_mb << 20)

    # Doing

    def _apply(self, view: View, changes: Changes, sights: Mapping[Key, Seen], *, whole: bool) -> bool:
        """Do it; whether something could not be done now."""
        self._guard(view, changes, whole=whole)
        moves = acting.move(self.services, self.known, changes, sights)
        renewed = dict(moves.rows)
        if whole:
            renewed |= self._renumbered(view)
        deleted = acting.remove(self.services, self.known, changes.gone, self.services.settings.watch_undo_s)
        self._deleted += [time.monotonic()] * len(deleted)
        self._remember(renewed | deleted, moves.left)
        wanted = changes.new | changes.changed | moves.failed
        files = {key: view.seen[key] for key in sorted(wanted) if key in sights}
        found = {key: one for key, file in files.items() if (one := self._candidate(file)) is not None}
        self._remember(acting.take(self.services, self.folder, found, sights, self.known), ())
        self._settling.done(moves.rows.keys() | files.keys() | deleted.keys() | set(changes.moved.values()))
        if moves.rows or deleted or files or changes.retagged:
            told = {name: len(getattr(changes, name)) for name in Changes.__dataclass_fields__}
            log.info("watch.changes", folder=self.root, **told)
        acting.tidy(self.services)
        self._forget_gone()
        return bool(moves.waiting)

    def _remember(self, rows: Mapping[Key, Known], left: Collection[Key]) -> None:
        for key in left:
            self.known.pop(key, None)
        self.known.update(rows)

    def _renumbered(self, view: View) -> dict[Key, Known]:
        """Files whose disk has another number since it was mounted again."""
        rows = {
            key: replace(row, mark=view.seen[key].mark)
            for key, row in view.known.items()
            if key in view.seen and key not in view.opened and row.mark.device != view.seen[key].mark.device
        }
        if rows:
            with writing(self.services.catalog) as connection:
                watched.keep(connection, rows)
        return rows

    def _forget_gone(self) -> None:
        """Files whose documents cannot be revived any more are of no interest."""
        with self.services.catalog.connect() as connection:
            gone = [key for key, row in self.known.items() if row.gone]
            over = watched.revivable(connection, [str(self.known[key].document_id) for key in gone]) if gone else set()
        lost = [key for key in gone if self.known[key].document_id not in over]
        if lost:
            with writing(self.services.catalog) as connection:
                watched.forget(connection, lost)
            self._remember({}, lost)

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
            closed=sum(below(view.closed, key[1]) and not row.gone for key, row in self.known.items())
            if view.closed
            else 0,
            before=len(self._deleted),
            files=sum(not row.gone for row in self.known.values()) - len(changes.gone),
        )
        allowed, hold = judge(
            missing, self.services.settings.watch_max_gone, self._holding.confirmed() if whole else None
        )
        if not allowed:
            changes.gone.clear()
        if whole or hold is not None:
            self._say_hold(hold)

    def _say_hold(self, hold: Hold | None) -> None:
        self._holding.say(hold, sum(not row.gone for row in self.known.values()))

    def _without_root(self) -> float | None:
        """The folder is not there: nothing is taken for deleted, unless somebody has said so."""
        gone = {key for key, row in self.known.items() if not row.gone}
        confirmed = self._holding.confirmed()
        wanted = self.folder.delete_missing and confirmed is not None and len(gone) <= confirmed
        if gone and wanted:
            rows = acting.remove(self.services, self.known, gone, self.services.settings.watch_undo_s)
            self._remember(rows, ())
            self._say_hold(None)
        else:
            self._say_hold(Hold("root_missing", len(gone)))
        return None
