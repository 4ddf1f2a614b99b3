"""Which tags documents have."""

from __future__ import annotations

import time
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import documents
from pipeline.types import Tags

__all__ = ["set_tags", "tags_of"]


def set_tags(connection: Connection, identity: str, tags: Tags | None) -> bool:
    """Give a document these tags in place of those that it has; None leaves them.

    Returns:
        Whether they are others than before. The points that it may have are to be labelled anew then.
    """
    if tags is None:
        return False
    row = connection.execute(sa.select(documents).where(documents.c.id == identity)).one()
    if row.tags == list(tags):
        return False
    now = time.time()
    values = {"tags": list(tags), "updated_at": now}
    if row.live_version_id is not None or row.attempt_id is not None:
        values["moved_at"] = now
    connection.execute(documents.update().where(documents.c.id == identity).values(values))
    return True


def tags_of(connection: Connection, identities: Sequence[str]) -> dict[str, list[str]]:
    """The tags of each of these documents, now."""
    found = sa.select(documents.c.id, documents.c.tags).where(documents.c.id.in_(identities))
    return {row.id: row.tags for row in connection.execute(found)}
