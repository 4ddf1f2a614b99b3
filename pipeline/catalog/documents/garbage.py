"""Find what can be deleted: versions that readers do not see, originals and texts that no document uses."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, documents, failures, shadows, versions
from pipeline.catalog.index.second_index import is_live_in_second_index
from pipeline.names import ACTIVE

__all__ = [
    "contents_of",
    "documents_with_leftovers",
    "group_by_index",
    "live_by_index",
    "mark_removed",
    "needed_originals",
    "needed_texts",
    "unmark_removed",
    "unneeded_originals",
    "unused_versions",
]


def unused_versions(connection: Connection, document_ids: Sequence[str], batch_id: str = "") -> list[str]:
    """Versions of these documents that readers do not see and that are not being built.

    Those whose points were removed before are left out, but for the ones that this batch carried: it may have
    stored points of a cancelled attempt after that. Documents that may still be revived keep theirs.
    """
    carried = sa.select(attempts.c.version_id).where(attempts.c.batch_id == batch_id)
    building = sa.exists().where(
        attempts.c.version_id == versions.c.id,
        attempts.c.state.in_(ACTIVE),
        sa.or_(attempts.c.id == documents.c.attempt_id, sa.exists().where(shadows.c.attempt_id == attempts.c.id)),
    )
    query = (
        sa.select(versions.c.id)
        .join(documents, documents.c.id == versions.c.document_id)
        .where(
            versions.c.document_id.in_(document_ids),
            _undo_is_over(),
            versions.c.id != sa.func.coalesce(documents.c.live_version_id, ""),
            ~is_live_in_second_index(),
            ~building,
            sa.or_(versions.c.removed_at.is_(None), versions.c.id.in_(carried)),
        )
    )
    return list(connection.scalars(query))


def group_by_index(connection: Connection, version_ids: Sequence[str]) -> dict[str, list[str]]:
    """Group versions by the index that holds their points: {index: version ids}."""
    by_index: dict[str, list[str]] = defaultdict(list)
    for group in split_list(version_ids):
        for row in connection.execute(sa.select(versions.c.index_name, versions.c.id).where(versions.c.id.in_(group))):
            by_index[row.index_name].append(row.id)
    return by_index


def live_by_index(connection: Connection, document_ids: Sequence[str]) -> dict[str, list[str]]:
    """Versions of these documents in the live index and in those beside it, by index."""
    query = (
        sa.select(versions.c.id)
        .join(documents, documents.c.id == versions.c.document_id)
        .where(
            documents.c.id.in_(document_ids),
            sa.or_(documents.c.live_version_id == versions.c.id, is_live_in_second_index()),
        )
    )
    return group_by_index(connection, connection.scalars(query).all())


def documents_with_leftovers(connection: Connection, before: float, limit: int) -> list[tuple[str, str]]:
    """Documents with versions that readers do not see and whose points were never removed.

    Only versions made before this time, and those of documents that can no longer be revived.

    Returns:
        (collection, document id), by collection.
    """
    query = (
        sa.select(documents.c.collection, documents.c.id)
        .join(versions, versions.c.document_id == documents.c.id)
        .outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
        .where(
            versions.c.removed_at.is_(None),
            sa.or_(versions.c.created_at < before, documents.c.undo_until.is_not(None)),
            _undo_is_over(),
            versions.c.id != sa.func.coalesce(documents.c.live_version_id, ""),
            ~is_live_in_second_index(),
            sa.or_(attempts.c.id.is_(None), attempts.c.state.not_in(ACTIVE)),
        )
        .distinct()
        .order_by(documents.c.collection)
        .limit(limit)
    )
    return [(row.collection, row.id) for row in connection.execute(query)]


def _undo_is_over() -> sa.ColumnElement[bool]:
    return sa.or_(documents.c.undo_until.is_(None), documents.c.undo_until <= time.time())


def mark_removed(connection: Connection, version_ids: Sequence[str]) -> None:
    """Record that the points of these versions are removed."""
    connection.execute(versions.update().where(versions.c.id.in_(version_ids)).values(removed_at=time.time()))


def unmark_removed(connection: Connection, document_ids: Sequence[str]) -> None:
    """Record that points of these documents are in the store again, or still: they are to be removed once more."""
    connection.execute(versions.update().where(versions.c.document_id.in_(document_ids)).values(removed_at=None))


def unneeded_originals(connection: Connection, batch_id: str) -> list[tuple[str, str]]:
    """Originals that only this batch still needed: (SHA-256, source). Those of failed documents stay, for a retry."""
    return [(row.content_sha256, row.source) for row in connection.execute(_unneeded(), {"batch": batch_id})]


@cache
def _unneeded() -> sa.Select[Any]:
    return (
        sa.select(versions.c.content_sha256, documents.c.source)
        .join(attempts, attempts.c.version_id == versions.c.id)
        .join(documents, documents.c.id == versions.c.document_id)
        .where(attempts.c.batch_id == sa.bindparam("batch"), ~_needed_elsewhere(), ~_kept_for_good())
    )


def contents_of(connection: Connection, document_ids: Collection[str]) -> set[str]:
    """SHA-256 of every content that these documents ever had."""
    contents: set[str] = set()
    for group in split_list(document_ids):
        query = sa.select(versions.c.content_sha256).where(versions.c.document_id.in_(group))
        contents |= set(connection.scalars(query))
    return contents


def needed_originals(connection: Connection, contents: Collection[str] | None = None) -> list[tuple[str, str]]:
    """Originals needed by running attempts, retries of open failures, readers of uploads.

    Args:
        connection: the catalog.
        contents: only of these SHA-256; None stands for all.

    Returns:
        (SHA-256, source) of each, some more than once.
    """
    query = (
        sa.select(versions.c.content_sha256, documents.c.source)
        .join(attempts, attempts.c.version_id == versions.c.id)
        .join(documents, documents.c.id == versions.c.document_id)
        .outerjoin(failures, failures.c.document_id == documents.c.id)
        .where(sa.or_(_needs(attempts, failures), _kept_for_good()))
    )
    return [(row.content_sha256, row.source) for row in _of_contents(connection, query, contents)]


def needed_texts(connection: Connection, contents: Collection[str] | None = None) -> list[tuple[str, str, str]]:
    """Texts of versions that stand in an index, are being built, or may be retried.

    Args:
        connection: the catalog.
        contents: only of these SHA-256; None stands for all.

    Returns:
        (SHA-256, source, extraction) of each.
    """
    is_needed = sa.exists(
        sa.select(attempts.c.id)
        .outerjoin(failures, failures.c.document_id == attempts.c.document_id)
        .where(attempts.c.version_id == versions.c.id, _needs(attempts, failures))
        .correlate(versions)
    )
    query = (
        sa.select(versions.c.content_sha256, documents.c.source, versions.c.extraction)
        .join(documents, documents.c.id == versions.c.document_id)
        .where(sa.or_(documents.c.live_version_id == versions.c.id, is_live_in_second_index(), is_needed))
    )
    rows = _of_contents(connection, query, contents)
    return [(row.content_sha256, row.source, row.extraction) for row in rows]


def _of_contents(
    connection: Connection, query: sa.Select[Any], contents: Collection[str] | None
) -> Iterator[sa.Row[Any]]:
    if contents is None:
        yield from connection.execute(query)
        return
    for group in split_list(contents):
        yield from connection.execute(query.where(versions.c.content_sha256.in_(group)))


def _needed_elsewhere() -> sa.ColumnElement[bool]:
    version, attempt, failure = versions.alias(), attempts.alias(), failures.alias()
    query = sa.select(version.c.id).join(attempt, attempt.c.version_id == version.c.id)
    query = query.outerjoin(failure, failure.c.document_id == attempt.c.document_id)
    return sa.exists(
        query.where(version.c.content_sha256 == versions.c.content_sha256, _needs(attempt, failure)).correlate(versions)
    )


def _kept_for_good() -> sa.ColumnElement[bool]:
    """Whether the version is live and only the spool has its file: it was uploaded, its source is no path."""
    version, document = versions.alias(), documents.alias()
    return sa.exists(
        sa.select(version.c.id)
        .join(document, document.c.live_version_id == version.c.id)
        .where(version.c.content_sha256 == versions.c.content_sha256, sa.func.substr(document.c.source, 1, 1) != "/")
        .correlate(versions)
    )


def _needs(attempt: sa.FromClause, failure: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether an attempt still needs its file: it runs, or it failed and the failure is open."""
    retried = sa.and_(attempt.c.state == "failed", failure.c.document_id.is_not(None))
    return sa.or_(attempt.c.state.in_(ACTIVE), retried)
