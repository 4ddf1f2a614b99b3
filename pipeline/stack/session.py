"""Process sessions (setsid(2)): a process of the stack and all processes that it started, directly or not.

Each process of the stack is started as the leader of a session of its own; what it starts stays in that session
unless it leaves on purpose. As long as a session has members, the kernel gives its number to no other process.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

__all__ = ["Session", "creation_time", "identity", "is_dead"]

POLL_S = 0.01
BOOT = Path("/proc/sys/kernel/random/boot_id")
START = 19
"""Place of the start time in /proc/PID/stat behind the name in parentheses, see proc(5)."""


class Session:
    """The session with the number `sid`; its leader must be alive when the object is made."""

    def __init__(self, sid: int) -> None:
        self.sid = sid
        self._leader: psutil.Process | None = None
        try:
            self._leader = psutil.Process(sid)
        except psutil.Error:
            self._leader = None

    def members(self) -> list[int]:
        """Pids of its living processes, leader included; zombies hold no resources and do not count."""
        if self._number_was_reused():
            return []
        return [pid for pid in psutil.pids() if _session_of(pid) == self.sid and not is_dead(pid)]

    def kill(self, timeout_s: float = 5.0) -> bool:
        """Send SIGKILL until no member is left, as members may fork meanwhile; False if one outlives `timeout_s`."""
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
    """Whether the process has ended; it may be a zombie whose parent has not read its exit status yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def creation_time(pid: int) -> float:
    """When the process was created, in seconds since 1970; 0 for one that has ended."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def identity(pid: int) -> str:
    """The boot of the machine and the moment in it at which a process began; empty where the system does not say it.

    Unlike the time at which it was created, it stays the same when the clock is set.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return f"{BOOT.read_text().strip()}/{fields[START]}"
    except (OSError, IndexError):
        return ""


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
