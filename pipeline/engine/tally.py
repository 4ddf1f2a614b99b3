"""Counters of documents that have ended, from the events in the catalog: each end counts once, whichever process dies.

The id of the last event that was counted stands in Redis and changes in one transaction with the counters. The catalog
keeps it too: where Redis has lost its data, the counters begin at 0 with the events after that one, which may have been
added while Redis was away.
"""

from __future__ import annotations

from collections.abc import Sequence

import redis

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work.endings import Ending, counted_until, list_endings, newest_event, store_counted
from pipeline.engine.metrics import DOCUMENT_DURATION, DOCUMENTS_ENDED, FAILURES
from pipeline.names import PREFIX
from pipeline.services import Services

__all__ = ["keep_tallied", "tally"]

TALLIED = f"{PREFIX}metrics:tallied"
"""Redis key of the id of the last event that was counted."""

MOST = 2000
"""Ends that are counted at once: the reconciler has other work, and comes again in some seconds."""


def tally(services: Services) -> int:
    """Count the documents that have ended since the last call.

    Returns:
        How many.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    with services.redis.pipeline() as pipe:
        pipe.watch(TALLIED)
        known = pipe.get(TALLIED)
        with services.catalog.connect() as connection:
            newest = newest_event(connection)
            counted = counted_until(connection) if known is None else int(known)
            # A catalog that was restored from a backup may have fewer events than were counted.
            last = newest if counted is None else min(counted, newest)
            endings = list_endings(connection, last, newest, MOST)
        reached = endings[-1].event if len(endings) == MOST else newest
        if known is not None and int(known) == reached:
            return 0
        pipe.multi()
        pipe.set(TALLIED, reached)
        _add(pipe, endings)
        try:
            pipe.execute()
        except redis.WatchError:  # another process has counted them
            return 0
    return len(endings)


def keep_tallied(services: Services) -> None:
    """Keep in the catalog which event was counted last. Ends that were counted after it count again if Redis is lost.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    counted = services.redis.get(TALLIED)
    with services.catalog.connect() as connection:
        kept = counted_until(connection)
    if counted is not None and int(counted) != kept:
        with writing(services.catalog, durable=False) as connection:
            store_counted(connection, int(counted))


def _add(pipe: redis.client.Pipeline, endings: Sequence[Ending]) -> None:
    for ending in endings:
        DOCUMENTS_ENDED.add(pipe, (ending.outcome,))
        if ending.outcome == "failed":
            FAILURES.add(pipe, (ending.code or "unknown",))
        if ending.seconds is not None:
            DOCUMENT_DURATION.add(pipe, (ending.outcome,), max(ending.seconds, 0.0))
