"""The loop of looks: trouble becomes conditions, new failures become notices. Every process of the API may run it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

import redis
import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import conditions, new_failures
from pipeline.catalog.work.conditions import Timing, step
from pipeline.gates_for_tests import LOOKS, pass_gate
from pipeline.notify.memory import note_host
from pipeline.notify.trouble import absent_for_long, look
from pipeline.services import Services

__all__ = ["look_once", "look_until_cancelled"]

log = structlog.get_logger()

SETTLE_S = 10.0
"""By then a failure is committed, and clocks of several hosts have caught up with each other."""


async def look_until_cancelled(services: Services) -> None:
    """Look every `notify_check_s` seconds."""
    while True:
        try:
            await asyncio.to_thread(look_once, services)
        except Exception as error:  # the loop must outlive a service that is away
            log.warning("notify.look_failed", error=f"{type(error).__name__}: {error}")
        await asyncio.sleep(services.settings.notify_check_s)


def look_once(services: Services) -> None:
    """Look at everything, and store what has changed; the write lock is taken only if anything has."""
    pass_gate(LOOKS, str(os.getpid()))
    _notice_failures(services)
    timing = Timing(services.settings.notify_check_s * 0.9, services.settings.notify_clear_s)
    with services.catalog.connect() as connection:
        known = conditions.list_all(connection)
    host = socket.gethostname()
    seen = look(services, host)
    seen += absent_for_long(known, seen, _hosts(services, host), host)
    now = time.time()
    changed = [item for item in seen if step(known.get(item.key), item, now, timing) != (known.get(item.key), None)]
    if changed:
        with writing(services.catalog) as connection:
            conditions.observe(connection, changed, timing)


def _hosts(services: Services, host: str) -> Mapping[str, float] | None:
    """When a process of each host looked last, this one included; None while Redis is away."""
    try:
        return note_host(services.redis, host)
    except redis.RedisError:
        return None


def _notice_failures(services: Services) -> None:
    with services.catalog.connect() as connection:
        found = new_failures.find(connection, time.time() - SETTLE_S)
    if found.is_news:
        with writing(services.catalog) as connection:
            new_failures.record(connection, found)
