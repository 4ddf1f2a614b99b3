"""When to scan a watched folder next, and which part of it: after events, after a pause, or all of it by the clock."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from pipeline.ingest.walk import source_of
from pipeline.watch.ignore import IGNORE_FILE

__all__ = ["Schedule"]

NEW_FOLDER_S = 1.0
"""A new folder is scanned once more after this time: events below it begin a moment after the folder is there."""

MAX_PATHS = 2000
"""From so many changed paths on, the whole folder is scanned."""

UNSTABLE_COST = 10.0
"""Files that keep changing are scanned again after so many times what the last scan took."""

WHOLE_COST = 50.0
"""The whole folder is scanned again, without a cause, after so many times what the last scan took at the earliest."""


class Schedule:
    """What to scan next in one folder.

    scope           the part that is scanned next: {folder: whether all below it}; None for the whole folder
    event_paths     what events have named since the last scan: these changes were not missed, however late the scan
    has_cause       whether the next scan of the whole folder has a cause: the start, or events. Without one a change
                    that it finds was missed by the events
    """

    def __init__(self, root: Path) -> None:
        self.scope: dict[Path, bool] | None = None
        self.event_paths: set[Path] = set()
        self.has_cause = True
        self._root = root
        self._later: dict[Path, tuple[float, bool]] = {}
        self._whole_at = 0.0

    def restart(self) -> None:
        """Scan the whole folder next, as at the start."""
        self.scope, self.has_cause, self.event_paths = None, True, set()

    def scan_all_now(self) -> None:
        """Scan the whole folder as soon as possible."""
        self._whole_at = 0.0

    def done(self, scanning_s: float, rescan_s: float, settle_s: float, unstable_folders: Collection[Path]) -> None:
        """Set the next scans: this one is done, and nothing is left to do in its scope but what keeps changing.

        Args:
            scanning_s: how long it took.
            rescan_s: seconds between two scans of the whole folder.
            settle_s: seconds for which a file must not change before it is ingested.
            unstable_folders: folders with files that keep changing.
        """
        now, whole = time.monotonic(), self.scope is None
        if whole:
            self._whole_at = now + max(rescan_s, WHOLE_COST * scanning_s)
        self.scope, self.has_cause = {}, self.has_cause and not whole
        pause_s = max(settle_s, UNSTABLE_COST * scanning_s)
        for folder in unstable_folders:
            self._later.setdefault(folder, (now + pause_s, False))

    def seconds_left(self) -> float:
        """Seconds until a scan is due by the clock; not positive if one is."""
        now = time.monotonic()
        whole_at = self._whole_at if self.scope is not None else now
        return min([whole_at, *(due for due, _ in self._later.values())]) - now

    def add_due(self) -> None:
        """Add to the scope what is due by the clock."""
        now = time.monotonic()
        if now >= self._whole_at:
            self.scope = None
        for folder in [folder for folder, (due, _) in self._later.items() if due <= now]:
            _, deep = self._later.pop(folder)
            if deep:
                self.event_paths.add(folder)
            if self.scope is not None:
                self.scope[folder] = deep or self.scope.get(folder, False)

    def add_events(self, paths: Collection[str], unstable: Collection[str], scanning_s: float) -> None:
        """Add to the scope what events have named.

        Args:
            paths: the paths that have changed.
            unstable: sources of files that keep changing, whose folders are scanned after a pause anyway.
            scanning_s: how long the last scan took.
        """
        if len(paths) > MAX_PATHS or any(path.endswith("/" + IGNORE_FILE) for path in paths):
            self.scope, self.has_cause = None, True
        changed = {Path(path) for path in paths}
        self.event_paths |= changed
        for path in changed:
            if source_of(path) in unstable:
                continue
            if path == self._root:
                # Anything in it: a name that an event cannot say. It may change again and again.
                soon = time.monotonic() + UNSTABLE_COST * scanning_s
                self._whole_at, self.has_cause = min(self._whole_at, soon), True
                continue
            if self.scope is None:
                return
            self._add_path(self.scope, path)

    def _add_path(self, scope: dict[Path, bool], path: Path) -> None:
        """Add the folder of a changed path, and the path itself if it is a folder or is gone."""
        scope.setdefault(path.parent, False)
        is_folder = path.is_dir()
        if is_folder or not path.exists():
            scope[path] = True
        if is_folder:
            self._later[path] = (time.monotonic() + NEW_FOLDER_S, True)
