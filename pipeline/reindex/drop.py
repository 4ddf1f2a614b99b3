"""Indexes in the store: the alias that follows the live one, and the end of those that nobody needs."""

from __future__ import annotations

import time

import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import indexes
from pipeline.errors import BadRequest
from pipeline.reindex.backoff import LONGEST_PAUSE_S
from pipeline.services import Services

__all__ = ["follow", "try_drop"]

log = structlog.get_logger()

DROP_AGAIN_S = 60.0
"""A worker that stood still may have made a dropped index anew: it is dropped once more after this time."""

_pauses: dict[str, tuple[int, float]] = {}
"""Indexes that could not be dropped: how often in a row, and when it is tried again."""


def follow(services: Services, collection: str, index: str) -> None:
    """Let the store's own alias follow the catalog."""
    try:
        if services.store.aliases().get(collection) != index:
            services.store.set_alias(collection, index)
    except BadRequest as error:
        # Something else has the name there, or the index holds nothing yet.
        log.warning("alias.refused", collection=collection, error=error.message)


def try_drop(services: Services, name: str, since: float) -> None:
    """Drop an index that is on its way out since this time, or try again after a pause."""
    number, again_at = _pauses.get(name, (0, 0.0))
    if time.time() < again_at:
        return
    try:
        _drop(services, name, since)
        _pauses.pop(name, None)
    except Exception as error:  # a door: whatever it is, the others go on
        log.warning("index.not_dropped", index=name, error=f"{type(error).__name__}: {error}")
        _pauses[name] = (number + 1, time.time() + min(2.0**number, LONGEST_PAUSE_S))


def _drop(services: Services, name: str, since: float) -> None:
    with services.catalog.connect() as connection:
        collection = indexes.get(connection, name).collection
        live = indexes.live(connection, collection)
    if live is not None and services.store.aliases().get(collection) == name:
        follow(services, collection, live.name)
    services.store.drop(name)
    if time.time() - since > DROP_AGAIN_S:
        with writing(services.catalog) as connection:
            indexes.set_role(connection, name, "dropped")
