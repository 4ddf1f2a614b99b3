"""When a change is complete: a file has not been written to for a while, and its neighbours have settled too."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping

from pipeline.catalog.documents.watched_files import FileKey, FileMark

__all__ = ["BURST_S", "Settling"]

BURST_S = 1.0
"""A settled change waits at most so much longer for its neighbours: one job for a burst, one pass for a rename."""

WRITER_PATIENCE_S = 60.0
"""A file that a program holds open for writing is ingested all the same once it was not written to for so long."""

SLACK_S = 0.005


class Settling:
    """Since when each pending change of a file is as it is. A file that is missing has no mark."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[FileKey, tuple[FileMark | None, float]] = {}
        self._first_seen: dict[FileKey, float] = {}

    def __iter__(self) -> Iterator[FileKey]:
        return iter(self._since)

    def __contains__(self, key: FileKey) -> bool:
        return key in self._since

    def update(self, changes: Mapping[FileKey, FileMark | None], scanned: Collection[FileKey]) -> None:
        """Note the pending changes among the scanned files; those that are pending no more are forgotten."""
        now = time.monotonic()
        for key in scanned:
            if key not in changes:
                self._forget(key)
        for key, mark in changes.items():
            before = self._since.get(key)
            if before is None or before[0] != mark:
                self._since[key] = (mark, now)
            self._first_seen.setdefault(key, now)

    def is_settled(self, key: FileKey) -> bool:
        """Whether a change has stayed as it is for long enough."""
        mark, since = self._since[key]
        return self._unchanged_s(mark, since) >= self._settle_s

    def waits_for_writer(self, key: FileKey) -> bool:
        """Whether a settled file is still waited for if a program holds it open for writing."""
        return self._unchanged_s(*self._since[key]) < WRITER_PATIENCE_S

    def keeps_changing(self, key: FileKey) -> bool:
        """Whether a change has been pending for so long that its neighbours do not wait for it any more."""
        return time.monotonic() - self._first_seen[key] >= self._settle_s + BURST_S

    def first_seen_at(self, key: FileKey) -> float:
        """When a change was first seen, by the monotonic clock; infinity if none is pending."""
        return self._first_seen.get(key, math.inf)

    def wait_s(self, keys: Collection[FileKey]) -> float | None:
        """Seconds to wait before these changes are handled together; None: now. Unstable ones do not count."""
        now = time.monotonic()
        keys = [key for key in keys if self.is_settled(key) or not self.keeps_changing(key)]
        unchanged_s = [self._unchanged_s(*self._since[key]) for key in keys]
        unsettled = [seconds for seconds in unchanged_s if seconds < self._settle_s]
        if not unsettled:
            return None
        oldest = min(self._since[key][1] for key in keys)
        if len(unsettled) < len(unchanged_s) and now - oldest >= self._settle_s + BURST_S:
            return None
        return self._settle_s - max(min(unsettled), 0.0) + SLACK_S

    def forget(self, keys: Collection[FileKey]) -> None:
        """Forget changes that were handled."""
        for key in keys:
            self._forget(key)

    def _forget(self, key: FileKey) -> None:
        self._since.pop(key, None)
        self._first_seen.pop(key, None)

    def _unchanged_s(self, mark: FileMark | None, since: float) -> float:
        """Seconds without a change: by the times of the file, but at least as long as none was observed."""
        observed_s = time.monotonic() - since
        if mark is None:
            return observed_s
        # The clock of another machine may be wrong, but never makes a file rest longer than was observed.
        return max(observed_s, time.time() - mark.written_at / 1e9)
