"""The identity of a process on its machine: `PID-START`, which no later process has, as a pid is used again."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

__all__ = ["identity", "is_living"]

STATE, START = 0, 19
"""Places in /proc/PID/stat behind the name in parentheses, see proc(5)."""


def identity(pid: int) -> str | None:
    """The identity of a living process; None if there is none with this pid. A zombie has ended."""
    if sys.platform.startswith("linux"):
        return _linux_identity(pid)
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{pid}-{round(process.create_time() * 1000)}"
    except psutil.NoSuchProcess:
        return None


def is_living(wanted: str) -> bool:
    """Whether the process with this identity lives on this machine."""
    pid = wanted.partition("-")[0]
    return pid.isdecimal() and identity(int(pid)) == wanted


def _linux_identity(pid: int) -> str | None:
    # psutil derives start times from the clock, and a clock that is set would change the identity of a process.
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[STATE] in "ZX" else f"{pid}-{fields[START]}"
