"""Failures that became too old for the list of open ones: archived in a table of their own, or deleted."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.cursors import Key
from pipeline.catalog.database.schema import archived_failures, failures
from pipeline.catalog.database.slices import delete_slices
from pipeline.catalog.work.failure_list import FailureFilter, list_ids

__all__ = ["archive", "list_archived", "prune"]

COPIED = (
    "document_id",
    "job_id",
    "collection",
    "source",
    "stage",
    "code",
    "message",
    "hint",
    "transient",
    "fatal_attempts",
    "created_at",
)


def archive(connection: Connection, where: FailureFilter, limit: int, *, keep: bool) -> int:
    """Take failures that meet the conditions off the list of open ones; the documents stay as they are.

    Args:
        connection: a writing transaction.
        where: the conditions.
        limit: failures at most.
        keep: whether they are kept as archived ones.

    Returns:
        How many were taken.
    """
    ids = list_ids(connection, where, limit)
    chosen = failures.c.id.in_(ids)
    if keep:
        columns = [failures.c[name] for name in COPIED]
        copied = sa.select(*columns, sa.literal(time.time(), sa.Double).label("archived_at")).where(chosen)
        connection.execute(archived_failures.insert().from_select([*COPIED, "archived_at"], copied))
    connection.execute(failures.delete().where(chosen))
    return len(ids)


def list_archived(connection: Connection, after: Key | None, limit: int) -> tuple[list[dict[str, Any]], Key | None]:
    """Archived failures, the ones archived last first.

    Args:
        connection: the catalog.
        after: rows after this key, whose value is the number of an archived failure; None for all.
        limit: failures at most.

    Returns:
        The rows, and the key after which the next page begins; None when this is the last page.
    """
    query = sa.select(archived_failures).order_by(archived_failures.c.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(archived_failures.c.id < after.value)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], None if last is None else Key(last["id"], last["document_id"])


def prune(engine: Engine, before: float) -> int:
    """Delete the failures that were archived before this time; how many."""
    return delete_slices(engine, archived_failures.c.id, archived_failures.c.archived_at < before)
