"""Exchanging the index that readers see for one beside it: one transaction, and back by another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog import collections, indexes
from pipeline.catalog.attempts import Failure, cancel, keep_failure
from pipeline.catalog.documents import bump
from pipeline.catalog.indexes import Index
from pipeline.catalog.schema import ACTIVE, attempts, documents, shadows, versions

__all__ = ["discard", "exchange"]

Recipe = Callable[[Index, str, str], str]
"""The recipe for an index, of a version's id and its extraction."""


def exchange(connection: Connection, old: Index, new: Index, recipe: Recipe) -> None:
    """Make `new`, which is beside it, the live index instead of `old`, which is beside it from now on.

    Documents that wait for admission go to the new index. No run over a document in the live index may be under way,
    and none over one in the new index: see `reindexes.in_flight` and `reindexes.lacking`.
    """
    _retarget(connection, old, new, recipe)
    _swap(connection, old, new)
    indexes.set_role(connection, old.name, "soaking")
    indexes.set_role(connection, new.name, "live")
    collections.show(connection, new.collection, new.fingerprint)
    bump(connection)


def discard(connection: Connection, index: str) -> None:
    """Take an index out of the catalog: nothing is built in it any more, and its points may go."""
    here = sa.select(shadows.c.attempt_id).where(shadows.c.index_name == index, shadows.c.attempt_id.is_not(None))
    cancel(connection, attempts.c.id.in_(here), code="superseded")
    connection.execute(shadows.delete().where(shadows.c.index_name == index))
    now = time.time()
    connection.execute(
        versions.update()
        .where(versions.c.index_name == index, versions.c.removed_at.is_(None))
        .values(retired_at=now, removed_at=now)
    )
    indexes.set_role(connection, index, "dropping")


def _retarget(connection: Connection, old: Index, new: Index, recipe: Recipe) -> None:
    """Send documents whose run has not begun to the new index."""
    rows = connection.execute(
        sa.select(versions.c.id, versions.c.extraction)
        .join(attempts, attempts.c.version_id == versions.c.id)
        .join(documents, documents.c.attempt_id == attempts.c.id)
        .where(attempts.c.state.in_(ACTIVE), versions.c.index_name == old.name)
    ).all()
    for row in rows:
        there = {"index_name": new.name, "recipe": recipe(new, row.id, row.extraction)}
        connection.execute(versions.update().where(versions.c.id == row.id).values(there))


def _swap(connection: Connection, old: Index, new: Index) -> None:
    rows = connection.execute(
        sa.select(
            documents.c.id,
            documents.c.live_version_id,
            documents.c.attempt_id,
            attempts.c.state,
            shadows.c.live_version_id.label("new_version_id"),
            shadows.c.attempt_id.label("new_attempt_id"),
        )
        .select_from(documents)
        .outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
        .outerjoin(shadows, sa.and_(shadows.c.document_id == documents.c.id, shadows.c.index_name == new.name))
        .where(documents.c.collection == old.collection, documents.c.live_version_id.is_not(None))
    ).all()
    connection.execute(shadows.delete().where(shadows.c.index_name == new.name))
    if not rows:
        return
    kept, shown = [], []
    for row in rows:
        waits = row.state in ACTIVE  # it has just been sent to the new index
        before = None if waits else row.attempt_id
        kept.append({"document_id": row.id, "index_name": old.name, "live_version_id": row.live_version_id,
                     "attempt_id": before})  # fmt: skip
        now = row.attempt_id if waits else row.new_attempt_id or row.attempt_id
        shown.append({"this": row.id, "version": row.new_version_id, "attempt": now})
    connection.execute(shadows.insert(), kept)
    statement = documents.update().where(documents.c.id == sa.bindparam("this"))
    values: dict[str, Any] = {"live_version_id": sa.bindparam("version"), "attempt_id": sa.bindparam("attempt")}
    connection.execute(statement.values(values), shown)
    for row in rows:
        if row.new_version_id is None:
            _tell(connection, row)


def _tell(connection: Connection, row: Any) -> None:
    """A document that the new index lacks has failed there: now that readers see it, that is a failure of its own."""
    failed = connection.execute(sa.select(attempts).where(attempts.c.id == row.new_attempt_id)).one_or_none()
    if failed is not None and failed.code:
        hint = "Try it again with: docrelay failures retry"
        keep_failure(connection, failed.job_id, row.id, Failure("reindex", failed.code, failed.message or "", hint))
