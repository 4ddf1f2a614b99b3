"""Remove points of versions that readers do not see, and mark those of live versions."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import garbage
from pipeline.services import Services
from pipeline.vectorstore.base import Filter

__all__ = ["mark_live", "remove_unseen"]


def remove_unseen(services: Services, identities: Sequence[str], batch_id: str = "") -> None:
    """Remove the points of versions that no reader sees: replaced, failed, cancelled and deleted ones."""
    if not identities:
        return
    with services.catalog.connect() as connection:
        unseen = garbage.unused_versions(connection, identities, batch_id)
        places = garbage.group_by_index(connection, unseen)
    for index, version_ids in places.items():
        services.store.delete(index, Filter(version_ids=tuple(version_ids)))
    if unseen:
        with writing(services.catalog) as connection:
            garbage.mark_removed(connection, unseen)


def mark_live(services: Services, identities: Sequence[str]) -> None:
    """Mark the points of the versions that stand in any index as live, in case an old run has written them again."""
    with services.catalog.connect() as connection:
        places = garbage.live_by_index(connection, identities)
    for index, version_ids in places.items():
        services.store.set_payload(index, {"live": True}, Filter(version_ids=tuple(version_ids)))
