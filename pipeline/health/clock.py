"""Part `clock`: does the clock of this machine agree with those of Redis and the database, and was it set back."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from pipeline.catalog.database.postgres import server_time
from pipeline.catalog.work import events
from pipeline.health.finding import Finding, degraded, failed, ok
from pipeline.services import Services

__all__ = ["check_clock", "judge_clocks", "offset_of"]

SLACK_S = 2.0
"""Hosts compare times that others have written: clocks that differ by more make the reconciler misjudge."""

FAR_S = 30.0
HINT = "Set the clocks of all hosts by NTP (timedatectl set-ntp true), and keep them so."


def check_clock(services: Services, connection: redis.Redis) -> Finding:
    """Compare the clocks. Raises redis.RedisError, or the error of the database."""
    offsets = {"Redis": offset_of(lambda: _redis_time(connection))}
    with services.catalog.connect() as catalog:
        newest = events.newest_at(catalog)
        if (database := server_time(catalog)) is not None:
            offsets["the database"] = offset_of(lambda: server_time(catalog) or database)
    return judge_clocks(offsets, 0.0 if newest is None else newest - time.time())


def offset_of(read: Callable[[], float]) -> float:
    """Seconds by which another clock is ahead of this one; as far as the time that reading it took leaves that open, 0.

    Args:
        read: reads the other clock, in seconds since 1970.
    """
    before, began = time.time(), time.monotonic()
    there = read()
    after = before + time.monotonic() - began
    return there - before if there < before else max(there - after, 0.0)


def judge_clocks(offsets: dict[str, float], ahead_s: float) -> Finding:
    """Judge clocks.

    Args:
        offsets: seconds by which others are ahead of this one, by name.
        ahead_s: seconds by which the newest event of the catalog lies in the future.
    """
    name = max(offsets, key=lambda name: abs(offsets[name]))
    measured = {"offset_s": offsets[name], "event_ahead_s": max(ahead_s, 0.0)}
    worst_s = max(abs(offsets[name]), ahead_s)
    if worst_s <= SLACK_S:
        return ok(**measured)
    cause = f"The newest event of the catalog lies {ahead_s:.0f} s in the future: a clock is ahead, or was set back."
    if abs(offsets[name]) > SLACK_S:
        side = "ahead of" if offsets[name] > 0 else "behind"
        cause = f"The clock of {name} is {abs(offsets[name]):.0f} s {side} the one of this machine."
    return failed(cause, HINT, **measured) if worst_s > FAR_S else degraded(cause, HINT, 0.0, **measured)


def _redis_time(connection: redis.Redis) -> float:
    seconds, microseconds = connection.time()
    return float(seconds) + float(microseconds) / 1e6
