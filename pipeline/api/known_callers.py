"""Who sent requests that were let in lately: probes and scrapes are answered to them while the keys cannot be read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

__all__ = ["NO_KEY", "Caller", "KnownCallers"]

NO_KEY = "-"

KNOWN_S = 86400.0
"""A sender that was let in so long ago is not known any more."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request; `key_id` is "-" for a program of this machine that needs no key."""

    key_id: str
    scopes: tuple[str, ...]

    @property
    def key(self) -> str | None:
        """The key's id, None without one."""
        return None if self.key_id == NO_KEY else self.key_id


class KnownCallers:
    """The callers that one process has let in, by their keys, of which it keeps the hashes. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._callers: dict[bytes, tuple[Caller, float]] = {}
        self._lock = threading.Lock()

    def remember(self, secret: str | None, caller: Caller) -> None:
        """The catalog has this key, or needs none."""
        with self._lock:
            self._callers[_hash(secret)] = (caller, self._clock())

    def forget(self, secret: str | None) -> None:
        """The catalog does not have this key, or not any more."""
        with self._lock:
            self._callers.pop(_hash(secret), None)

    def find(self, secret: str | None) -> Caller | None:
        """The caller that was let in with this key within the last day."""
        with self._lock:
            caller, at = self._callers.get(_hash(secret), (None, 0.0))
        return caller if self._clock() - at < KNOWN_S else None


def _hash(secret: str | None) -> bytes:
    return sha256((secret or "").encode()).digest()
