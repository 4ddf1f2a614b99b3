"""Work on a full disk: it waits for room, and is done again, without a try or a start of the task being used up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from pipeline.engine.metrics import count
from pipeline.retries import needs_room
from pipeline.services import Services
from pipeline.settings.room import LATER, full_disk, wait_for_room

__all__ = ["EARLY", "pause_if_full", "with_room"]

log = structlog.get_logger()

T = TypeVar("T")

EARLY = ("extract", "ocr")
"""Stages that fill the spool: they wait sooner than those that end what was begun."""

PAUSE_S = 2.0
"""So long a worker waits before it gives a message back: it serves its other queues in between."""

POLL_S = 0.2


def with_room(
    services: Services, action: Callable[[], T], say: Callable[[str], None] | None = None, stage: str | None = None
) -> T:
    """Do something that writes to the disk; whenever that has no room, wait until it has, and do it again.

    Args:
        services: those of this process.
        action: what to do; it must be repeatable.
        say: takes lines for the user on what is waited for.
        stage: the stage whose metrics count each wait as `paused`; None for none.
    """
    while True:
        try:
            return action()
        except Exception as error:
            if not needs_room(services.settings, error):
                raise
            log.warning("disk.full", error=f"{type(error).__name__}: {error}")
            if stage is not None:
                count(services.redis, stage, "paused")
        time.sleep(POLL_S)
        wait_for_room(services.settings, LATER, say)


def pause_if_full(services: Services, stage: str) -> bool:
    """Wait a moment if the disk has no room for a task of this stage; whether it has none after it."""
    share = 1.0 if stage in EARLY else LATER
    deadline = time.monotonic() + PAUSE_S
    while full_disk(services.settings, share) is not None:
        if time.monotonic() >= deadline:
            count(services.redis, stage, "paused")
            return True
        time.sleep(POLL_S)
    return False
