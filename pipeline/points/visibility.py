"""Remove the points of versions that are not searchable, and mark those of live versions."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import garbage
from pipeline.services import Services
from pipeline.vectorstore.base import Filter

__all__ = ["mark_live", "remove_unseen"]


def remove_unseen(services: Services, document_ids: Sequence[str], batch_id: str = "") -> None:
    """Remove the points of versions that no reader sees: replaced, failed, cancelled and deleted ones."""
    if not document_ids:
        return
    with services.catalog.connect() as connection:
        unseen = garbage.unused_versions(connection, document_ids, batch_id)
        by_index = garbage.group_by_index(connection, unseen)
    for index, version_ids in by_index.items():
        services.store.delete(index, Filter(version_ids=tuple(version_ids)))
    if unseen:
        with writing(services.catalog) as connection:
            garbage.mark_removed(connection, unseen)


def mark_live(services: Services, document_ids: Sequence[str]) -> None:
    """Mark the points of live versions as live, in every index: an earlier run may have written them again."""
    with services.catalog.connect() as connection:
        by_index = garbage.live_by_index(connection, document_ids)
    for index, version_ids in by_index.items():
        services.store.set_payload(index, {"live": True}, Filter(version_ids=tuple(version_ids)))
