"""`Scope` and `Pace`: how much of everything is looked at, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

__all__ = ["Pace", "Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at.

    `collection`: only this one. `share`: the part of the documents whose vectors, words and kept texts are compared
    too, from 0 to 1; the ids and payloads of all points are compared anyway. `salt` decides which documents these are.
    """

    collection: str | None = None
    share: float = 1.0
    salt: str = ""

    def has(self, version_id: str) -> bool:
        """Whether the version belongs to the sample; always the same answer for one version."""
        drawn = sha256(f"{self.salt}{version_id}".encode()).hexdigest()[:8]
        return self.share >= 1.0 or int(drawn, 16) < self.share * 2**32


@dataclass
class Pace:
    """Looks at `per_second` points or documents a second at most; None for no limit. `report` hears of progress."""

    per_second: float | None = None
    report: Callable[[str, int], None] = lambda _what, _number: None
    sleep: Callable[[float], None] = time.sleep
    _free_at: float = field(default=0.0, init=False)

    def spend(self, what: str, number: int) -> None:
        """Report that so many were looked at, and rest for as long as they cost."""
        self.report(what, number)
        if not self.per_second:
            return
        now = time.monotonic()
        self._free_at = max(self._free_at, now) + number / self.per_second
        if self._free_at > now:
            self.sleep(self._free_at - now)
