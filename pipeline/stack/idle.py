"""When a stack is no longer needed."""

from __future__ import annotations

import time

from pipeline.stack.folder import Folder
from pipeline.stack.lease import FileLock
from pipeline.stack.spec import Launch

__all__ = ["Idle"]


class Idle:
    """Whether nobody uses the stack any more: then it keeps the exclusive lease, so that nobody can come in."""

    def __init__(self, folder: Folder, launch: Launch) -> None:
        self._lease = FileLock(folder.lease)
        self._interval_s = launch.lease_interval_s
        self._linger_s = max(launch.linger_s, launch.lease_interval_s)
        self._next_look = time.monotonic() + self._interval_s
        self._free_since: float | None = None

    def over(self) -> bool:
        """Look, at most every interval; free twice, and for as long as the stack lingers, is over."""
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + self._interval_s
        if not self._lease.acquire():
            self._free_since = None
            return False
        if self._free_since is not None and now - self._free_since >= self._linger_s:
            return True
        self._free_since = now if self._free_since is None else self._free_since
        self._lease.release()
        return False
