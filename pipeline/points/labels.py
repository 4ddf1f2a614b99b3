"""Write new names and tags of documents to their points. The catalog has them first, and search reads the catalog."""

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
"""Longest wait for another process that labels; the reconciler labels what is left."""


def relabel(services: Services, limit: int | None = None) -> int:
    """Write the source, the tags and the title to the points of documents that were renamed or have new tags.

    One process does it at a time: of two, the slower one would write old values. If it ends early, for example because
    a service is unavailable, the catalog still knows what is left to do, and the reconciler continues.

    Args:
        services: the engine's services.
        limit: maximum number of documents; None for all.

    Returns:
        How many documents were labelled.
    """
    if not _due(services, 1):
        return 0
    lock = services.redis.lock(f"{PREFIX}relabel", timeout=LEASE_S, blocking_timeout=PATIENCE_S)
    try:
        with lock:
            return _label_all(services, lock, _due(services, limit))
    except redis.exceptions.LockError:
        log.info("relabel.left_to_another")
    except TRANSIENT as error:
        log.warning("relabel.postponed", error=str(error))
    return 0


def _due(services: Services, limit: int | None) -> Sequence[Any]:
    with services.catalog.connect() as connection:
        return moves.waiting_for_labels(connection, limit)


def _label_all(services: Services, lock: redis.lock.Lock, due: Sequence[Any]) -> int:
    for collection, rows in groupby(due, key=lambda row: str(row.collection)):
        with services.catalog.connect() as connection:
            index_names = [index.name for index in indexes.list_of_collection(connection, collection)]
        for group in split_list(rows, SLICE):
            lock.reacquire()
            for row in group:
                _label(services, index_names, row)
            with writing(services.catalog) as connection:
                moves.mark_labelled(connection, {row.id: row.moved_at for row in group})
    return len(due)


def _label(services: Services, index_names: list[str], row: Any) -> None:
    label = {"source": row.source, "tags": row.tags} | ({"title": row.title} if row.title is not None else {})
    where = Filter(document_ids=(row.id,))
    for index in index_names:
        services.store.set_payload(index, label, where)
        services.store.set_payload(index, label, where, "metadata")
