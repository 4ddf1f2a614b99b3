"""Telling points the new name and tags of their documents. The catalog knew them first, and search goes by it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import redis
import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents import moves
from pipeline.catalog.index import indexes
from pipeline.names import PREFIX
from pipeline.retries import TRANSIENT
from pipeline.services import Services
from pipeline.vectorstore.base import Filter

__all__ = ["relabel"]

log = structlog.get_logger()

SLICE = 200
"""Documents whose points are labelled between two writes to the catalog."""

LEASE_S = 60.0
PATIENCE_S = 5.0
"""Longest wait for another process that labels; what it does not do is done at the next look."""


def relabel(services: Services, most: int | None = None) -> int:
    """Write source, tags, and the title that follows from the source, to the points whose documents have new ones.

    One process does so at a time: of two, the slower one would write what was true before. Whatever ends it early, a
    service that is away among it, the catalog still knows what is left to do, and the reconciler asks again.

    Args:
        services: the engine's services.
        most: documents at most; None for all.

    Returns:
        How many documents it were.
    """
    if not _due(services, 1):
        return 0
    lock = services.redis.lock(f"{PREFIX}relabel", timeout=LEASE_S, blocking_timeout=PATIENCE_S)
    try:
        with lock:
            return _label_all(services, lock, _due(services, most))
    except redis.exceptions.LockError:
        log.info("relabel.left_to_another")
    except TRANSIENT as error:
        log.warning("relabel.postponed", error=str(error))
    return 0


def _due(services: Services, most: int | None) -> Sequence[Any]:
    with services.catalog.connect() as connection:
        return moves.waiting_for_labels(connection, most)


def _label_all(services: Services, lock: redis.lock.Lock, due: Sequence[Any]) -> int:
    for collection, rows in groupby(due, key=lambda one: str(one.collection)):
        with services.catalog.connect() as connection:
            places = [index.name for index in indexes.of_collection(connection, collection)]
        for piece in split_list(rows, SLICE):
            lock.reacquire()
            for one in piece:
                _label(services, places, one)
            with writing(services.catalog) as connection:
                moves.mark_labelled(connection, {one.id: one.moved_at for one in piece})
    return len(due)


def _label(services: Services, places: list[str], one: Any) -> None:
    label = {"source": one.source, "tags": one.tags} | ({"title": one.title} if one.title is not None else {})
    where = Filter(document_ids=(one.id,))
    for index in places:
        services.store.set_payload(index, label, where)
        services.store.set_payload(index, label, where, "metadata")
