"""Part `store`: does the owner of the vectors, or the Qdrant server, answer."""

from __future__ import annotations

import redis

from pipeline.health.finding import Finding, ok
from pipeline.services import Services
from pipeline.vectorstore import VectorStore
from pipeline.vectorstore.remote import RemoteStore

__all__ = ["check_store"]

TIMEOUT_S = 4.0


def check_store(services: Services, connection: redis.Redis) -> Finding:
    """List the collections. Raises StackUnavailable, or an error of the Qdrant server's client: there is no answer."""
    store: VectorStore = services.store
    if services.settings.qdrant_url is None:
        store = RemoteStore(connection, TIMEOUT_S)
    return ok(collections=len(store.collections()))
