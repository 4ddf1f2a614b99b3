"""Who watches a folder: one process at a time, on whatever machine, for overlapping folders too."""

from __future__ import annotations

import threading
import time
import uuid
from pathlib import PurePath

import redis
import structlog

from pipeline.engine.heartbeat import text
from pipeline.names import PREFIX

__all__ = ["Lease"]

log = structlog.get_logger()

KEYS = f"{PREFIX}watch:"
LASTS_S = 4.0
RENEWED_S = 1.0
WAIT_S = 5.0


class Lease:
    """The right to watch some folders; those of one process may lie in each other."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._owner = uuid.uuid4().hex
        self._until: dict[str, float] = {}
        self._ended = threading.Event()
        threading.Thread(target=self._renew, name="watch-lease", daemon=True).start()

    def acquire(self, root: str) -> bool:
        """Whether the folder is ours now: nobody else watches it, one above it, or one below it."""
        with self._redis.lock(f"{PREFIX}watching", timeout=WAIT_S, blocking_timeout=WAIT_S):
            held = self._redis.scan_iter(match=f"{_escaped(KEYS)}*")
            for key in held:
                other = text(key).removeprefix(KEYS)
                if _overlap(root, other) and self._owner_of(other) not in (None, self._owner):
                    return False
            self._redis.set(KEYS + root, self._owner, px=int(LASTS_S * 1000))
        self._until[root] = time.monotonic() + LASTS_S
        return True

    def holds(self, root: str) -> bool:
        """Whether the folder is still ours."""
        return time.monotonic() < self._until.get(root, 0.0)

    def release(self, root: str) -> None:
        """Let others watch it."""
        if self._until.pop(root, None) is not None and self._owner_of(root) == self._owner:
            self._redis.delete(KEYS + root)

    def close(self) -> None:
        """Let go of everything."""
        self._ended.set()
        for root in list(self._until):
            self.release(root)

    def _owner_of(self, root: str) -> str | None:
        value = self._redis.get(KEYS + root)
        return None if value is None else text(value)

    def _renew(self) -> None:
        while not self._ended.wait(RENEWED_S):
            for root in list(self._until):
                try:
                    began = time.monotonic()
                    if self._owner_of(root) == self._owner and self._redis.pexpire(KEYS + root, int(LASTS_S * 1000)):
                        self._until[root] = began + LASTS_S
                except redis.RedisError as error:
                    log.warning("watch.lease", error=str(error))


def _overlap(one: str, other: str) -> bool:
    paths = PurePath(one), PurePath(other)
    return paths[0] == paths[1] or paths[0] in paths[1].parents or paths[1] in paths[0].parents


def _escaped(pattern: str) -> str:
    return pattern.replace("[", "\\[").replace("*", "\\*").replace("?", "\\?")
