"""Scenarios with a name: one fault in the middle of a job, and everything must end exact without a hand."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil
from stand import Stand, note

__all__ = ["SCENARIOS", "Scenario"]

FROZEN_S = 60.0


@dataclass(frozen=True)
class Scenario:
    """How many documents, after which share of the work what is done, and on which kind of stand."""

    documents: int
    fault: Callable[[Stand], bool]
    kind: str = "embedded"
    at: float = 0.5


def _flush(stand: Stand) -> bool:
    stand.rig.services.redis.flushall()
    return True


def _power(stand: Stand) -> bool:
    """SIGKILL for everything at once; starting it again is what a user does after that, and no repair."""
    stand.kill_all()
    note(stand.history, "power cut")
    stand.start()
    return True


def _freeze_redis(stand: Stand) -> bool:
    return _freeze(stand, "redis", FROZEN_S)


def _freeze_store(stand: Stand) -> bool:
    """For good: only the supervisor, which misses its sign of life, can help."""
    return _freeze(stand, "store", None)


def _freeze(stand: Stand, part: str, seconds: float | None) -> bool:
    pid = stand.pid(part)
    if pid is None:
        return False
    process = psutil.Process(pid)
    process.send_signal(signal.SIGSTOP)
    if seconds is not None:
        time.sleep(seconds)
        with suppress(psutil.Error):  # it may have been replaced
            process.send_signal(signal.SIGCONT)
    return True


def _fill(stand: Stand) -> bool:
    return stand.hooks["fill disk"]()


SCENARIOS = {
    "flushall": Scenario(500, _flush),
    "power": Scenario(240, _power),
    "disk": Scenario(240, _fill, "disk"),
    "redis-frozen": Scenario(240, _freeze_redis),
    "store-frozen": Scenario(240, _freeze_store),
}
