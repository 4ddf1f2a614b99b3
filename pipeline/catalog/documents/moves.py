"""Renaming documents, and the labels of their points: rows change, contents do not."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, documents, failures, versions
from pipeline.names import ACTIVE

__all__ = [
    "documents_to_displace",
    "existing",
    "mark_labelled",
    "rename",
    "retitle",
    "waiting_for_labels",
]


def rename(connection: Connection, moves: Mapping[str, str]) -> set[str]:
    """Give documents new sources: {document id: source}; sources may be swapped, or exchanged in a circle.

    Left out is what cannot be renamed now: a document with a running attempt, or whose new source another document
    has.

    Returns:
        The documents that were renamed; their points are to be labelled anew.
    """
    rows = _rows(connection, moves)
    wanted = {document_id: moves[document_id] for document_id, row in rows.items() if row.state not in ACTIVE}
    while blocked := _blocked(connection, rows, wanted):
        wanted = {document_id: source for document_id, source in wanted.items() if document_id not in blocked}
    # By way of a source that no document has: the index allows no two documents the same at any moment.
    _set_sources(connection, {document_id: f"moving:{document_id}" for document_id in wanted})
    _set_sources(connection, wanted)
    for document_id, source in wanted.items():
        connection.execute(failures.update().where(failures.c.document_id == document_id).values(source=source))
        retitle(connection, document_id, rows[document_id].source, source)
    return set(wanted)


def _set_sources(connection: Connection, sources: Mapping[str, str]) -> None:
    now = time.time()
    for document_id, source in sources.items():
        values = {"source": source, "updated_at": now, "moved_at": now}
        connection.execute(documents.update().where(documents.c.id == document_id).values(values))


def documents_to_displace(connection: Connection, moves: Mapping[str, str]) -> set[str]:
    """Documents whose source a moved document is to get, and that are not moved themselves."""
    return set(_holders(connection, _rows(connection, moves), moves).values()) - moves.keys()


def existing(connection: Connection, document_ids: Collection[str]) -> set[str]:
    """Those of these documents that are not deleted."""
    return set(_rows(connection, document_ids))


def waiting_for_labels(connection: Connection, limit: int | None = None) -> list[Any]:
    """Documents with a new source or new tags that their points do not have yet.

    Returns:
        Rows of id, collection, source, tags, moved_at and title, `limit` of them at most.
    """
    names = ("id", "collection", "source", "tags", "moved_at")
    query = (
        sa.select(*(documents.c[name] for name in names), versions.c.title)
        .outerjoin(versions, versions.c.id == documents.c.live_version_id)
        .where(sa.or_(documents.c.moved_at > 0, sa.and_(documents.c.moved_at < 0, ~_is_worked_on())))
        # By a value that has no index: SQLite would follow an index by collection through all documents.
        .order_by(documents.c.collection + "")
    )
    return list(connection.execute(query.limit(limit)))


def mark_labelled(connection: Connection, moved_at: Mapping[str, float]) -> None:
    """Record that the points of these documents have the source and tags of that time: {document id: moved_at}.

    A running attempt may still write the old ones: then they are to be labelled once more at its end, which a
    `moved_at` below zero says.
    """
    after = sa.case((_is_worked_on(), -sa.func.abs(documents.c.moved_at)), else_=None)
    for document_id, moment in moved_at.items():
        same = sa.and_(documents.c.id == document_id, documents.c.moved_at == moment)
        connection.execute(documents.update().where(same).values(moved_at=after))


def _is_worked_on() -> sa.ColumnElement[bool]:
    return sa.exists().where(attempts.c.document_id == documents.c.id, attempts.c.state.in_(ACTIVE))


def _rows(connection: Connection, document_ids: Collection[str]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for group in split_list(list(document_ids)):
        query = (
            sa.select(documents.c.id, documents.c.collection, documents.c.source, attempts.c.state)
            .outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
            .where(documents.c.id.in_(group), documents.c.deleted_at.is_(None))
        )
        rows |= {row.id: row for row in connection.execute(query)}
    return rows


def _blocked(connection: Connection, rows: Mapping[str, Any], wanted: Mapping[str, str]) -> set[str]:
    """Documents whose new source belongs to a document that keeps it."""
    return {document_id for document_id, holder in _holders(connection, rows, wanted).items() if holder not in wanted}


def _holders(connection: Connection, rows: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, str]:
    """The documents that have the new sources now: {document that is to get the source: document that has it}."""
    holders: dict[tuple[str, str], str] = {}
    for sources in split_list(sorted(set(wanted.values()))):
        query = sa.select(documents.c.id, documents.c.collection, documents.c.source).where(
            documents.c.source.in_(sources), documents.c.deleted_at.is_(None)
        )
        holders |= {(row.collection, row.source): row.id for row in connection.execute(query)}
    targets = {row_id: (row.collection, wanted[row_id]) for row_id, row in rows.items() if row_id in wanted}
    return {document_id: holders[target] for document_id, target in targets.items() if target in holders}


def retitle(connection: Connection, document_id: str, before: str, after: str) -> None:
    """Change the title of a document whose title is the name of its file: it has no title of its own."""
    named = sa.and_(versions.c.document_id == document_id, versions.c.title == PurePath(before).name)
    connection.execute(versions.update().where(named).values(title=PurePath(after).name))
