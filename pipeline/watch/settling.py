"""When a change is complete: a file rests, and what belongs together is handled together."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping

from pipeline.catalog.documents.watched_files import FileKey, FileMark

__all__ = ["BURST_S", "Settling"]

BURST_S = 1.0
"""What has settled waits at most this much longer for its neighbours: one job per burst, one look per rename."""

OPEN_S = 60.0
"""What a program holds open for writing is taken all the same once it has rested for so long."""

SLACK_S = 0.005


class Settling:
    """Since when each open change is as it is. A file that is missing has no mark."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[FileKey, tuple[FileMark | None, float]] = {}
        self._first: dict[FileKey, float] = {}

    def __iter__(self) -> Iterator[FileKey]:
        return iter(self._since)

    def __contains__(self, key: FileKey) -> bool:
        return key in self._since

    def note(self, changes: Mapping[FileKey, FileMark | None], looked_at: Collection[FileKey]) -> None:
        """What is open now among the files that were looked at."""
        now = time.monotonic()
        for key in looked_at:
            if key not in changes:
                self._forget(key)
        for key, mark in changes.items():
            before = self._since.get(key)
            if before is None or before[0] != mark:
                self._since[key] = (mark, now)
            self._first.setdefault(key, now)

    def settled(self, key: FileKey) -> bool:
        """Whether a change has rested for long enough."""
        mark, since = self._since[key]
        return self._rest_s(mark, since) >= self._settle_s

    def patient(self, key: FileKey) -> bool:
        """Whether a settled file may still be waited for, as long as somebody has it open."""
        return self._rest_s(*self._since[key]) < OPEN_S

    def restless(self, key: FileKey) -> bool:
        """Whether a change has been open for so long that nobody waits for it any more."""
        return time.monotonic() - self._first[key] >= self._settle_s + BURST_S

    def opened_at(self, key: FileKey) -> float:
        """When a change was first seen, by the monotonic clock; of one that is not open, never."""
        return self._first.get(key, math.inf)

    def wait_s(self, keys: Collection[FileKey]) -> float | None:
        """How long to wait before these are handled, those left out that do not come to rest; None: now."""
        now = time.monotonic()
        keys = [key for key in keys if self.settled(key) or not self.restless(key)]
        rests = [self._rest_s(*self._since[key]) for key in keys]
        unsettled = [rest for rest in rests if rest < self._settle_s]
        if not unsettled:
            return None
        oldest = min(self._since[key][1] for key in keys)
        if len(unsettled) < len(rests) and now - oldest >= self._settle_s + BURST_S:
            return None
        return self._settle_s - max(min(unsettled), 0.0) + SLACK_S

    def done(self, keys: Collection[FileKey]) -> None:
        """These were handled."""
        for key in keys:
            self._forget(key)

    def _forget(self, key: FileKey) -> None:
        self._since.pop(key, None)
        self._first.pop(key, None)

    def _rest_s(self, mark: FileMark | None, since: float) -> float:
        seen = time.monotonic() - since
        if mark is None:
            return seen
        # The clock of another machine may go wrong, but never makes a file rest longer than we saw it rest.
        told = time.time() - mark.written_at / 1e9
        return max(seen, told)
