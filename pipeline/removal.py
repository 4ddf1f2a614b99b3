"""Removing points that nobody sees, and making sure that those which readers see are seen."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.catalog import documents, leftovers
from pipeline.catalog.engine import writing
from pipeline.services import Services
from pipeline.vectorstore.base import Filter

__all__ = ["remove_unseen", "show_live"]


def remove_unseen(services: Services, identities: Sequence[str], batch_id: str = "") -> None:
    """Remove the points of versions that nobody sees: replaced, failed, cancelled and deleted ones."""
    if not identities:
        return
    with services.catalog.connect() as connection:
        unseen = leftovers.unseen_versions(connection, identities, batch_id)
        collection = documents.collection_of(connection, identities[0])
    if unseen:
        services.store.delete(collection, Filter(version_ids=tuple(unseen)))
        with writing(services.catalog) as connection:
            leftovers.removed(connection, unseen)


def show_live(services: Services, identities: Sequence[str]) -> None:
    """Mark the points of these documents' live versions as live, whoever wrote them last."""
    if not identities:
        return
    with services.catalog.connect() as connection:
        live = documents.live_versions(connection, identities)
        collection = documents.collection_of(connection, identities[0])
    if live:
        services.store.set_payload(collection, {"live": True}, Filter(version_ids=tuple(live.values())))
