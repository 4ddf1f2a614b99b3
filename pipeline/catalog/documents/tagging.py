"""Tags of documents: set and read them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import documents
from pipeline.types import Tags

__all__ = ["set_tags", "tags_of"]


def set_tags(connection: Connection, document_id: str, tags: Tags | None) -> bool:
    """Replace the tags of a document; None leaves them.

    Returns:
        Whether the tags have changed. The points of the document are then to be labelled anew.
    """
    if tags is None:
        return False
    row = connection.execute(sa.select(documents).where(documents.c.id == document_id)).one()
    if row.tags == list(tags):
        return False
    now = time.time()
    values = {"tags": list(tags), "updated_at": now}
    if row.live_version_id is not None or row.attempt_id is not None:
        values["moved_at"] = now
    connection.execute(documents.update().where(documents.c.id == document_id).values(values))
    return True


def tags_of(connection: Connection, document_ids: Sequence[str]) -> dict[str, list[str]]:
    """The present tags of each of these documents, by document."""
    query = sa.select(documents.c.id, documents.c.tags).where(documents.c.id.in_(document_ids))
    return {row.id: row.tags for row in connection.execute(query)}
