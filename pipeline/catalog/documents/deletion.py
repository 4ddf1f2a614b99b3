"""Deleting documents, and bringing them back: rows change, points are removed elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import (
    attempts,
    documents,
    indexes,
    versions,
)
from pipeline.catalog.documents.live_versions import count_switch
from pipeline.catalog.documents.moves import retitle
from pipeline.catalog.index import second_index
from pipeline.catalog.work.attempts import cancel

__all__ = [
    "tombstone",
]


def tombstone(connection: Connection, identities: Sequence[str], undo_until: float | None = None) -> None:
    """Take documents out of what readers see; their running attempts are cancelled.

    Until `undo_until` their points are kept, so that they can be revived.
    """
    now = time.time()
    cancel(connection, attempts.c.document_id.in_(identities), code="deleted")
    connection.execute(
        versions.update()
        .where(versions.c.document_id.in_(identities), versions.c.retired_at.is_(None))
        .values(retired_at=now)
    )
    connection.execute(
        documents.update()
        .where(documents.c.id.in_(identities))
        .values(live_version_id=None, attempt_id=None, deleted_at=now, undo_until=undo_until, updated_at=now)
    )
    if undo_until is None:
        # What comes again under this source is another document, though it may get the same id.
        connection.execute(documents.update().where(documents.c.id.in_(identities)).values(tags=[]))
    second_index.delete_of_documents(connection, identities)
    count_switch(connection)


def revive(connection: Connection, places: Mapping[str, tuple[str, str]]) -> set[str]:
    """Make deleted documents searchable again: {document id: (its source, SHA-256 of its content)}.

    Returns:
        Those that had this content, whose points are still there and whose source is free; the others must be taken in
        again.
    """
    revived: set[str] = set()
    now = time.time()
    for name, (source, content) in places.items():
        version_id = _last_seen(connection, name, content)
        before = connection.execute(sa.select(documents).where(documents.c.id == name)).one_or_none()
        if version_id is None or before is None or _is_held(connection, before.collection, source):
            continue
        completed = sa.select(attempts.c.id).where(attempts.c.version_id == version_id, attempts.c.state == "completed")
        attempt_id = connection.scalar(completed.order_by(attempts.c.number.desc()).limit(1))
        connection.execute(versions.update().where(versions.c.id == version_id).values(retired_at=None))
        values = {"live_version_id": version_id, "attempt_id": attempt_id, "deleted_at": None, "undo_until": None}
        if source != before.source:
            values |= {"source": source, "moved_at": now}
            retitle(connection, name, before.source, source)
        connection.execute(documents.update().where(documents.c.id == name).values(**values, updated_at=now))
        revived.add(name)
    if revived:
        count_switch(connection)
    return revived


def list_expired(connection: Connection, limit: int) -> list[str]:
    """Deleted documents whose time to be revived is over."""
    found = (
        sa.select(documents.c.id)
        .where(documents.c.undo_until <= time.time(), documents.c.deleted_at.is_not(None))
        .limit(limit)
    )
    return list(connection.scalars(found))


def end_undo(connection: Connection, identities: Sequence[str]) -> None:
    """The points of these deleted documents are gone: nothing can be revived."""
    over = sa.and_(documents.c.id.in_(identities), documents.c.deleted_at.is_not(None))
    connection.execute(documents.update().where(over).values(undo_until=None, tags=[]))


def _is_held(connection: Connection, collection: str, source: str) -> bool:
    is_there = documents.c.deleted_at.is_(None)
    query = sa.select(documents.c.id).where(
        documents.c.collection == collection, documents.c.source == source, is_there
    )
    return connection.scalar(query) is not None


def _last_seen(connection: Connection, name: str, content: str) -> str | None:
    """The version in the live index that readers saw when the document was deleted, if it is this content's."""
    shown = sa.select(indexes.c.name).where(indexes.c.collection == documents.c.collection, indexes.c.role == "live")
    query = (
        sa.select(versions.c.id)
        .join(documents, documents.c.id == versions.c.document_id)
        .where(
            versions.c.document_id == name,
            documents.c.deleted_at.is_not(None),
            documents.c.undo_until > time.time(),
            versions.c.content_sha256 == content,
            versions.c.live_at.is_not(None),
            versions.c.index_name.in_(shown.correlate(documents)),
            versions.c.retired_at == documents.c.deleted_at,
            versions.c.removed_at.is_(None),
        )
    )
    return connection.scalar(query.order_by(versions.c.sequence.desc()).limit(1))
