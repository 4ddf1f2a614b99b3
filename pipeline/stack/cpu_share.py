"""How much of the processor this process gets beside others, and how soon: a courtesy, where the system knows of it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
from pathlib import Path

__all__ = ["lower_priority", "shorten_time_slices"]

SLICE_US = 300
"""What a door asks for at a time. The kernel's own default is some milliseconds."""

ATTRIBUTES = struct.Struct("=IIQiIQQQII")
"""`struct sched_attr` of sched_setattr(2): size, policy, flags, niceness, priority, runtime, and what others use."""

SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""Number of the system call; C libraries wrap it only lately (glibc 2.41)."""


def lower_priority(niceness: int) -> None:
    """Compute with what others leave of the processor.

    Args:
        niceness: how far to give way, 0 to 19.
    """
    os.nice(niceness)
    # Where the kernel shares the processor out among sessions (autogroup, sched(7)), that counts within ours alone.
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness), "ascii")


def shorten_time_slices() -> None:
    """Have less at a time, but sooner: threads of this process, now and later, answer before those that compute.

    Linux from 6.12 on takes a short slice so (sched_setattr(2), `sched_runtime`); it needs no rights, and the share
    stays the same. Elsewhere nothing changes. To be called before the process has threads.
    """
    number = SCHED_SETATTR.get(platform.machine())
    if platform.system() != "Linux" or number is None:
        return
    # Who forbids it, or does not know it, says so; then it is as it was.
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            niceness = os.getpriority(os.PRIO_PROCESS, 0)
            wanted = ATTRIBUTES.pack(ATTRIBUTES.size, os.SCHED_OTHER, 0, niceness, 0, SLICE_US * 1000, 0, 0, 0, 0)
            ctypes.CDLL(None).syscall(ctypes.c_long(number), 0, wanted, 0)
