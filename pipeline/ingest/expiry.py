"""Expiry: remove uploads that were never finished, answers and keys that are not valid any more."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog

from pipeline.catalog.api import idempotency, keys
from pipeline.catalog.database.connection import writing
from pipeline.ingest.cleanup import DAY_S, KEEP_DRAFTS_S, sweep_drafts
from pipeline.services import Services

__all__ = ["expire", "sweep_until_cancelled"]

log = structlog.get_logger()

KEEP_REVOKED_S = 30 * DAY_S
"""A revoked key stays in the list for so long: who looks for it reads there since when it is not valid."""


HOUR_S = 3600.0


async def sweep_until_cancelled(services: Services, every_s: float = HOUR_S) -> None:
    """Remove uploads that were never finished from the disks of this host, now and then every hour.

    A host of the API alone runs neither a worker nor the schedule, which remove those of other hosts.
    """
    while True:
        try:
            await asyncio.to_thread(sweep_drafts, services, time.time() - KEEP_DRAFTS_S)
        except OSError as error:  # the disk may be there again in an hour
            log.warning("drafts.not_swept", error=str(error))
        await asyncio.sleep(every_s)


def expire(services: Services) -> dict[str, Any]:
    """Remove what is not valid any more.

    Jobs that are open for uploads close by themselves (`api_idle_s`), and results of Celery expire in Redis.

    Returns:
        How many stored answers and keys were deleted.
    """
    now = time.time()
    answers = idempotency.prune(services.catalog, now - idempotency.KEEP_S)
    with writing(services.catalog, durable=False) as connection:
        revoked = keys.prune(connection, now - KEEP_REVOKED_S)
    sweep_drafts(services, now - KEEP_DRAFTS_S)
    return {"deleted": {"answers": answers, "keys": revoked}}
