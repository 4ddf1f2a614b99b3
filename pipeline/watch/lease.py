"""The lease of a watched folder: one process at a time, on any machine, may watch it or a folder that overlaps it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import PurePath

import redis
import structlog

from pipeline.engine.heartbeat import text
from pipeline.names import PREFIX

__all__ = ["Lease", "lease_ages"]

log = structlog.get_logger()

KEY_PREFIX = f"{PREFIX}watch:"
LEASE_S = 4.0
RENEW_EVERY_S = 1.0
LOCK_TIMEOUT_S = 5.0


class Lease:
    """Leases of the folders that this process watches; these may lie in each other."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._owner = uuid.uuid4().hex
        self._valid_until: dict[str, float] = {}
        self._ended = threading.Event()
        threading.Thread(target=self._renew, name="watch-lease", daemon=True).start()

    def acquire(self, root: str) -> bool:
        """Take the lease of a folder. False if another process watches it, a folder above it, or one below it."""
        with self._redis.lock(f"{PREFIX}watching", timeout=LOCK_TIMEOUT_S, blocking_timeout=LOCK_TIMEOUT_S):
            leases = self._redis.scan_iter(match=f"{_escaped(KEY_PREFIX)}*")
            for key in leases:
                other = text(key).removeprefix(KEY_PREFIX)
                if _overlap(root, other) and self._owner_of(other) not in (None, self._owner):
                    return False
            self._redis.set(KEY_PREFIX + root, self._owner, px=int(LEASE_S * 1000))
        self._valid_until[root] = time.monotonic() + LEASE_S
        return True

    def holds(self, root: str) -> bool:
        """Whether this process still has the lease of a folder."""
        return time.monotonic() < self._valid_until.get(root, 0.0)

    def release(self, root: str) -> None:
        """Give the lease of a folder back."""
        if self._valid_until.pop(root, None) is not None and self._owner_of(root) == self._owner:
            self._redis.delete(KEY_PREFIX + root)

    def close(self) -> None:
        """Give all leases back."""
        self._ended.set()
        for root in list(self._valid_until):
            self.release(root)

    def _owner_of(self, root: str) -> str | None:
        value = self._redis.get(KEY_PREFIX + root)
        return None if value is None else text(value)

    def _renew(self) -> None:
        """Extend all leases every `RENEW_EVERY_S`; those that another process has taken are not."""
        while not self._ended.wait(RENEW_EVERY_S):
            for root in list(self._valid_until):
                try:
                    began = time.monotonic()
                    is_ours = self._owner_of(root) == self._owner
                    if is_ours and self._redis.pexpire(KEY_PREFIX + root, int(LEASE_S * 1000)):
                        self._valid_until[root] = began + LEASE_S
                except redis.RedisError as error:
                    log.warning("watch.lease", error=str(error))


def lease_ages(connection: redis.Redis, roots: Sequence[str]) -> dict[str, float]:
    """Seconds since the leases of these folders were renewed; a folder that no process watches is left out."""
    with connection.pipeline(transaction=False) as pipe:
        for root in roots:
            pipe.pttl(KEY_PREFIX + root)
        left_ms = pipe.execute()
    return {root: max(LEASE_S - left / 1000, 0.0) for root, left in zip(roots, left_ms, strict=True) if left > 0}


def _overlap(folder: str, other: str) -> bool:
    """Whether one of the folders is the other, or lies in it."""
    first, second = PurePath(folder), PurePath(other)
    return first == second or first in second.parents or second in first.parents


def _escaped(pattern: str) -> str:
    return pattern.replace("[", "\\[").replace("*", "\\*").replace("?", "\\?")
