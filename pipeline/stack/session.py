"""Process sessions: what a child and everything it forked belong to, however deep.

A child is started as the leader of a session of its own (setsid); what it starts stays in that session
unless it leaves on purpose. As long as a session has members, the kernel gives its number to nobody else.
"""

from __future__ import annotations

import os
import signal
import time

import psutil

__all__ = ["Session", "is_dead"]

POLL_S = 0.01


class Session:
    """The session with the number `sid`, whose leader lives now."""

    def __init__(self, sid: int) -> None:
        self.sid = sid
        self._leader: psutil.Process | None = None
        try:
            self._leader = psutil.Process(sid)
        except psutil.Error:
            self._leader = None

    def members(self) -> list[int]:
        """Pids of the living processes in it, leader included; zombies have let go of everything and do not count."""
        if self._number_was_reused():
            return []
        return [pid for pid in psutil.pids() if _sid(pid) == self.sid and not is_dead(pid)]

    def kill(self, timeout_s: float = 5.0) -> bool:
        """SIGKILL until nobody is left, for members may fork meanwhile; False when someone outlives `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while members := self.members():
            for pid in members:
                _kill(pid)
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
        return True

    def _number_was_reused(self) -> bool:
        return self._leader is not None and psutil.pid_exists(self.sid) and not self._leader.is_running()


def is_dead(pid: int) -> bool:
    """Whether the process has ended; it may still wait for its parent to ask."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _sid(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
