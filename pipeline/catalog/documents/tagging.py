"""Tags of documents: set and read them.

A document has them in its row; `document_tags` has them once more, to find the documents of a tag.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import document_tags, documents
from pipeline.types import Tags

__all__ = ["add_new", "remove", "set_tags", "tags_of"]


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
    _forget(connection, [document_id])
    add_new(connection, document_id, tags)
    return True


def add_new(connection: Connection, document_id: str, tags: Tags) -> None:
    """Let a document that is new be found by the tags in its row."""
    if tags:
        connection.execute(document_tags.insert(), [{"tag": tag, "document_id": document_id} for tag in tags])


def remove(connection: Connection, document_ids: Sequence[str]) -> None:
    """Take away all tags of these documents."""
    connection.execute(documents.update().where(documents.c.id.in_(document_ids)).values(tags=[]))
    _forget(connection, document_ids)


def _forget(connection: Connection, document_ids: Sequence[str]) -> None:
    connection.execute(document_tags.delete().where(document_tags.c.document_id.in_(document_ids)))


def tags_of(connection: Connection, document_ids: Sequence[str]) -> dict[str, list[str]]:
    """The present tags of each of these documents, by document."""
    query = sa.select(documents.c.id, documents.c.tags).where(documents.c.id.in_(document_ids))
    return {row.id: row.tags for row in connection.execute(query)}
