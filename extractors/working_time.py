"""Working time: the clock of limits, which stands while the process could not work.

It is the time of the wall where no other is set. A sandbox sets one that leaves out how long its processes waited for a
processor: on a machine with too much work a good page must not run into its limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["leave_out", "stretch", "working_time"]

MOST = 10.0
"""A limit lasts this many times as long by the wall, at most."""


def _nothing() -> float:
    return 0.0


_left_out: ContextVar[Callable[[], float]] = ContextVar("left_out", default=_nothing)


def leave_out(seconds: Callable[[], float]) -> None:
    """Let the clock leave out the seconds that this function returns, which it counts from a moment of its own."""
    _left_out.set(seconds)


def working_time() -> float:
    """Seconds since some moment, as `time.monotonic`, without what is left out."""
    return time.monotonic() - _left_out.get()()


def stretch(wall_s: float, working_s: float) -> float:
    """How much longer by the wall work takes that lasted so long by both clocks; 1 where nothing was left out."""
    return min(MOST, max(1.0, wall_s / max(working_s, wall_s / MOST, 1e-9)))
