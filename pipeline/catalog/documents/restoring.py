"""What a backup must hold of the store at one moment, and what changes in a catalog that was restored from it."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.schema import (
    attempts,
    batches,
    collections,
    counters,
    documents,
    indexes,
    jobs,
    shadows,
    tasks,
    versions,
)
from pipeline.catalog.index.second_index import is_live_in_second_index
from pipeline.errors import StackUnavailable
from pipeline.names import ACTIVE

__all__ = [
    "adapt",
    "counts",
    "is_restoring",
    "mark_restoring",
    "open_batches",
    "refuse_unfinished",
    "searchable_versions",
]

RESTORING = "restoring"
"""The counter that stands in a catalog from the beginning of a restore to its end."""


def searchable_versions(connection: Connection) -> dict[str, dict[str, int]]:
    """The versions that readers see, in the live indexes and in those beside them: {index: {version id: chunks}}.

    Every index that may hold points is in it, also an empty one.
    """
    kept = sa.select(indexes.c.name).where(indexes.c.role.not_in(("dropping", "dropped")))
    found: dict[str, dict[str, int]] = {name: {} for name in connection.scalars(kept)}
    columns = sa.select(versions.c.id, versions.c.index_name, versions.c.chunks)
    for pointers in (documents, shadows):
        for row in connection.execute(columns.join(pointers, pointers.c.live_version_id == versions.c.id)):
            if row.index_name in found:
                found[row.index_name][row.id] = row.chunks
    return found


def contents_changed(connection: Connection, since: float) -> set[str]:
    """SHA-256 of the contents of versions that were recorded, tried again or made searchable since then."""
    tried = sa.exists().where(attempts.c.version_id == versions.c.id, attempts.c.created_at >= since)
    is_changed = sa.or_(versions.c.created_at >= since, versions.c.live_at >= since, tried)
    return set(connection.scalars(sa.select(versions.c.content_sha256).where(is_changed)))


def open_batches(connection: Connection) -> list[str]:
    """Ids of the batches that wait or are under way."""
    return list(connection.scalars(sa.select(batches.c.id).where(batches.c.state.in_(("waiting", "active")))))


def counts(connection: Connection) -> dict[str, int]:
    """Numbers of collections, of documents with a live version, and of jobs that are not finished."""
    queries = {
        "collections": sa.select(sa.func.count()).select_from(collections),
        "documents": sa.select(sa.func.count()).where(documents.c.live_version_id.is_not(None)),
        "unfinished_jobs": sa.select(sa.func.count()).where(jobs.c.finished_at.is_(None)),
    }
    return {name: int(connection.scalar(query) or 0) for name, query in queries.items()}


def mark_restoring(connection: Connection) -> None:
    """Record that a restore has begun; its last transaction replaces this row."""
    connection.execute(counters.delete().where(counters.c.name == RESTORING))
    connection.execute(counters.insert().values(name=RESTORING, value=int(time.time())))


def is_restoring(connection: Connection) -> bool:
    """Whether a restore into this catalog has begun and has not ended."""
    return connection.scalar(sa.select(counters.c.value).where(counters.c.name == RESTORING)) is not None


def refuse_unfinished(engine: Engine) -> None:
    """Refuse a catalog into which a restore has begun, and close it.

    Raises:
        StackUnavailable: the restore has not ended.
    """
    with engine.connect() as connection:
        is_unfinished = is_restoring(connection)
    if is_unfinished:
        engine.dispose()
        raise StackUnavailable(
            "A backup is being restored here, or its restore was interrupted.",
            "Wait for it; if none runs, run docrelay restore once more.",
        )


def adapt(connection: Connection, since: float) -> None:
    """Adapt the rows of a backup to the store that was restored with them.

    The store has the points of searchable versions alone, so those of all others count as removed; no process does a
    task; and points of documents that changed while the backup ran may have older names and tags.

    Args:
        connection: the restored catalog.
        since: when the backup began, in seconds since 1970.
    """
    now = time.time()
    connection.execute(
        versions.update().where(versions.c.removed_at.is_(None), ~_is_searchable(), ~_is_built()).values(removed_at=now)
    )
    running: dict[str, Any] = {"state": "due", "runner": None, "published_at": now}
    connection.execute(tasks.update().where(tasks.c.state == "running").values(running))
    changed = sa.and_(documents.c.updated_at >= since, documents.c.deleted_at.is_(None))
    connection.execute(documents.update().where(changed, documents.c.moved_at.is_(None)).values(moved_at=now))


def _is_searchable() -> sa.ColumnElement[bool]:
    is_live = sa.exists().where(documents.c.live_version_id == versions.c.id)
    return sa.or_(is_live, is_live_in_second_index())


def _is_built() -> sa.ColumnElement[bool]:
    return sa.exists().where(attempts.c.version_id == versions.c.id, attempts.c.state.in_(ACTIVE))
