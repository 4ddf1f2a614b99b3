"""Deleting documents, and bringing them back: rows change, points are removed elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import (
    attempts,
    documents,
    indexes,
    versions,
)
from pipeline.catalog.documents import tagging
from pipeline.catalog.documents.live_versions import count_switch, sizes_of
from pipeline.catalog.documents.moves import retitle
from pipeline.catalog.index import second_index
from pipeline.catalog.work.attempts import cancel

__all__ = ["end_undo", "list_expired", "revive", "tombstone"]


def tombstone(connection: Connection, document_ids: Sequence[str], undo_until: float | None = None) -> None:
    """Mark documents as deleted, so that readers no longer see them; their running attempts are cancelled.

    Until `undo_until` their points are kept, so that they can be revived.
    """
    now = time.time()
    cancel(connection, attempts.c.document_id.in_(document_ids), code="deleted")
    connection.execute(
        versions.update()
        .where(versions.c.document_id.in_(document_ids), versions.c.retired_at.is_(None))
        .values(retired_at=now)
    )
    connection.execute(
        documents.update()
        .where(documents.c.id.in_(document_ids))
        .values(live_version_id=None, size=0, attempt_id=None, deleted_at=now, undo_until=undo_until, updated_at=now)
    )
    if undo_until is None:
        # What comes again under this source is another document, though it may get the same id.
        tagging.remove(connection, document_ids)
    second_index.delete_of_documents(connection, document_ids)
    count_switch(connection)


def revive(connection: Connection, targets: Mapping[str, tuple[str, str]]) -> set[str]:
    """Make deleted documents searchable again: {document id: (its source, SHA-256 of its content)}.

    Returns:
        Those that had this content, whose points still exist and whose source is free; the others must be ingested
        again.
    """
    revived: set[str] = set()
    now = time.time()
    for document_id, (source, content) in targets.items():
        version_id = _last_live_version(connection, document_id, content)
        before = connection.execute(sa.select(documents).where(documents.c.id == document_id)).one_or_none()
        if version_id is None or before is None or _is_taken(connection, before.collection, source):
            continue
        completed = sa.select(attempts.c.id).where(attempts.c.version_id == version_id, attempts.c.state == "completed")
        attempt_id = connection.scalar(completed.order_by(attempts.c.number.desc()).limit(1))
        connection.execute(versions.update().where(versions.c.id == version_id).values(retired_at=None))
        values: dict[str, Any] = {
            "live_version_id": version_id,
            "attempt_id": attempt_id,
            "deleted_at": None,
            "undo_until": None,
        }
        values["size"] = sizes_of(connection, [version_id])[version_id]
        if source != before.source:
            values |= {"source": source, "moved_at": now}
            retitle(connection, document_id, before.source, source)
        connection.execute(documents.update().where(documents.c.id == document_id).values(**values, updated_at=now))
        revived.add(document_id)
    if revived:
        count_switch(connection)
    return revived


def list_expired(connection: Connection, limit: int) -> list[str]:
    """Deleted documents whose time to be revived is over."""
    query = (
        sa.select(documents.c.id)
        .where(documents.c.undo_until <= time.time(), documents.c.deleted_at.is_not(None))
        .limit(limit)
    )
    return list(connection.scalars(query))


def end_undo(connection: Connection, document_ids: Sequence[str]) -> None:
    """Record that the points of these deleted documents are removed, so that they cannot be revived."""
    over = sa.and_(documents.c.id.in_(document_ids), documents.c.deleted_at.is_not(None))
    gone = connection.scalars(sa.select(documents.c.id).where(over)).all()
    connection.execute(documents.update().where(documents.c.id.in_(gone)).values(undo_until=None))
    tagging.remove(connection, gone)


def _is_taken(connection: Connection, collection: str, source: str) -> bool:
    exists = documents.c.deleted_at.is_(None)
    query = sa.select(documents.c.id).where(documents.c.collection == collection, documents.c.source == source, exists)
    return connection.scalar(query) is not None


def _last_live_version(connection: Connection, document_id: str, content: str) -> str | None:
    """The version that was live when the document was deleted, if it has this content and is in the live index."""
    live_index = sa.select(indexes.c.name).where(
        indexes.c.collection == documents.c.collection, indexes.c.role == "live"
    )
    query = (
        sa.select(versions.c.id)
        .join(documents, documents.c.id == versions.c.document_id)
        .where(
            versions.c.document_id == document_id,
            documents.c.deleted_at.is_not(None),
            documents.c.undo_until > time.time(),
            versions.c.content_sha256 == content,
            versions.c.live_at.is_not(None),
            versions.c.index_name.in_(live_index.correlate(documents)),
            versions.c.retired_at == documents.c.deleted_at,
            versions.c.removed_at.is_(None),
        )
    )
    return connection.scalar(query.order_by(versions.c.sequence.desc()).limit(1))
