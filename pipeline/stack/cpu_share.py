"""CPU share and latency of this process beside others: niceness and time slices, where the system supports them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
from pathlib import Path

__all__ = ["lower_priority", "shorten_time_slices"]

SLICE_US = 300
"""Time slice of a process that answers requests, in microseconds. The default of the kernel is some milliseconds."""

ATTRIBUTES = struct.Struct("=IIQiIQQQII")
"""`struct sched_attr` of sched_setattr(2): size, policy, flags, niceness, priority, runtime, and unused fields."""

SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""Number of the system call: C libraries before glibc 2.41 have no function for it."""


def lower_priority(niceness: int) -> None:
    """Let other processes have the CPU first.

    Args:
        niceness: 0 to 19; 19 gives way most.
    """
    os.nice(niceness)
    # With autogroup (sched(7)) the kernel shares the CPU among sessions first: niceness counts only within a session.
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness), "ascii")


def shorten_time_slices() -> None:
    """Give this process short time slices, so that its threads run sooner beside processes that compute.

    Linux supports it from 6.12 on (sched_setattr(2), `sched_runtime`); it needs no privilege, and the CPU share stays
    the same. Elsewhere nothing changes. Call it before the process starts threads: they inherit it.
    """
    number = SCHED_SETATTR.get(platform.machine())
    if platform.system() != "Linux" or number is None:
        return
    # A kernel that forbids or does not know it returns an error; then nothing changes.
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            niceness = os.getpriority(os.PRIO_PROCESS, 0)
            attributes = ATTRIBUTES.pack(ATTRIBUTES.size, os.SCHED_OTHER, 0, niceness, 0, SLICE_US * 1000, 0, 0, 0, 0)
            ctypes.CDLL(None).syscall(ctypes.c_long(number), 0, attributes, 0)
