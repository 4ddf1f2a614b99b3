"""Find out when no command uses a stack any more."""

from __future__ import annotations

import time

from pipeline.stack.folder import Folder
from pipeline.stack.lease import FileLock
from pipeline.stack.spec import Launch

__all__ = ["IdleCheck"]


class IdleCheck:
    """Checks the lease of the data folder, of which each command that uses the stack holds a share.

    When the stack is idle, the exclusive lease is kept, so that no command can connect to a stack that ends.
    """

    def __init__(self, folder: Folder, launch: Launch) -> None:
        self._lease = FileLock(folder.lease_lock)
        self._interval_s = launch.lease_interval_s
        self._linger_s = max(launch.linger_s, launch.lease_interval_s)
        self._next_check = time.monotonic() + self._interval_s
        self._free_since: float | None = None

    def is_idle(self) -> bool:
        """Whether the lease was free at two checks in a row and for `linger_s`; it is checked once an interval."""
        now = time.monotonic()
        if now < self._next_check:
            return False
        self._next_check = now + self._interval_s
        if not self._lease.acquire():
            self._free_since = None
            return False
        if self._free_since is not None and now - self._free_since >= self._linger_s:
            return True
        self._free_since = now if self._free_since is None else self._free_since
        self._lease.release()
        return False
