"""Times of a cron expression, as seconds since 1970.

Expressions are in local time. Where clocks are set forward or back for summer, `cronsim` does as Debian's cron: a time
that the day skips is due right after the gap, and one that comes twice is due the first time; but an entry of every
hour or minute (`*`) goes by the time that passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, tzinfo

from cronsim import CronSim
from tzlocal import get_localzone

__all__ = ["local_zone", "newest_due", "next_after"]


def local_zone() -> tzinfo:
    """The time zone of the machine, with its changes between winter and summer."""
    return get_localzone()


def next_after(expression: str, at: float, zone: tzinfo) -> float:
    """The first time after this one that matches the expression."""
    for due in _times(expression, at, zone):
        if due > at:
            return due
    raise ValueError(f"{expression!r} is never due")


def newest_due(expression: str, after: float, until: float, zone: tzinfo) -> float | None:
    """The last time that matches the expression, is later than `after` and not later than `until`; None: none is."""
    for due in _times(expression, math.floor(until) + 1, zone, reverse=True):
        if due <= until:
            return due if due > after else None
    return None


def _times(expression: str, at: float, zone: tzinfo, *, reverse: bool = False) -> Iterator[float]:
    return (due.timestamp() for due in CronSim(expression, datetime.fromtimestamp(at, zone), reverse=reverse))
