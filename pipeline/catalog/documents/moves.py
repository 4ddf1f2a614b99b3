"""Documents that are the same under another name, or that come back: rows change, contents do not."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, documents, failures, indexes, versions
from pipeline.catalog.documents.live_versions import count_switch
from pipeline.names import ACTIVE

__all__ = [
    "documents_to_displace",
    "end_undo",
    "existing",
    "expired_deletions",
    "mark_labelled",
    "rename",
    "revive",
    "waiting_for_labels",
]


def rename(connection: Connection, moves: Mapping[str, str]) -> set[str]:
    """Give documents new sources: {document id: source}; names may be swapped, or go round in a circle.

    Left out is what cannot be renamed now: a document that is being worked on, or whose new name another one has.

    Returns:
        The documents that were renamed; their points are to be labelled anew.
    """
    rows = _rows(connection, moves)
    wanted = {name: moves[name] for name, row in rows.items() if row.state not in ACTIVE}
    while blocked := _blocked(connection, rows, wanted):
        wanted = {name: source for name, source in wanted.items() if name not in blocked}
    now = time.time()
    # By way of a name that nobody has: the index allows no two at any moment.
    for step in (lambda name: f"moving:{name}", wanted.__getitem__):
        for name in wanted:
            connection.execute(
                documents.update().where(documents.c.id == name).values(source=step(name), updated_at=now, moved_at=now)
            )
    for name, source in wanted.items():
        connection.execute(failures.update().where(failures.c.document_id == name).values(source=source))
        _retitle(connection, name, rows[name].source, source)
    return set(wanted)


def documents_to_displace(connection: Connection, moves: Mapping[str, str]) -> set[str]:
    """Documents that have a name which one of the moved ones is to get, and that are not moved themselves."""
    return set(_holders(connection, _rows(connection, moves), moves).values()) - moves.keys()


def existing(connection: Connection, identities: Collection[str]) -> set[str]:
    """Those of these documents that are not deleted."""
    return set(_rows(connection, identities))


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
            _retitle(connection, name, before.source, source)
        connection.execute(documents.update().where(documents.c.id == name).values(**values, updated_at=now))
        revived.add(name)
    if revived:
        count_switch(connection)
    return revived


def expired_deletions(connection: Connection, limit: int) -> list[str]:
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


def waiting_for_labels(connection: Connection, most: int | None = None) -> list[Any]:
    """Documents with a new name or new tags that their points do not know yet: id, collection, …, title, moved_at."""
    names = ("id", "collection", "source", "tags", "moved_at")
    query = (
        sa.select(*(documents.c[name] for name in names), versions.c.title)
        .outerjoin(versions, versions.c.id == documents.c.live_version_id)
        .where(sa.or_(documents.c.moved_at > 0, sa.and_(documents.c.moved_at < 0, ~_is_worked_on())))
        .order_by(documents.c.collection)
    )
    return list(connection.execute(query.limit(most)))


def mark_labelled(connection: Connection, moments: Mapping[str, float]) -> None:
    """The points of these documents know the name and the tags that they got at that moment: {document id: moved_at}.

    A run that is under way may still write the old ones: then they are to be labelled once more at its end, which a
    moment below zero says.
    """
    after = sa.case((_is_worked_on(), -sa.func.abs(documents.c.moved_at)), else_=None)
    for name, moment in moments.items():
        same = sa.and_(documents.c.id == name, documents.c.moved_at == moment)
        connection.execute(documents.update().where(same).values(moved_at=after))


def _is_worked_on() -> sa.ColumnElement[bool]:
    return sa.exists().where(attempts.c.document_id == documents.c.id, attempts.c.state.in_(ACTIVE))


def _rows(connection: Connection, identities: Collection[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for piece in split_list(list(identities)):
        query = (
            sa.select(documents.c.id, documents.c.collection, documents.c.source, attempts.c.state)
            .outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
            .where(documents.c.id.in_(piece), documents.c.deleted_at.is_(None))
        )
        found |= {row.id: row for row in connection.execute(query)}
    return found


def _blocked(connection: Connection, rows: Mapping[str, Any], wanted: Mapping[str, str]) -> set[str]:
    """Documents whose new name is held by one that keeps it."""
    return {name for name, holder in _holders(connection, rows, wanted).items() if holder not in wanted}


def _holders(connection: Connection, rows: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, str]:
    """Who has the new names now: {document that is to get the name: document that has it}."""
    held: dict[tuple[str, str], str] = {}
    for piece in split_list(sorted(set(wanted.values()))):
        query = sa.select(documents.c.id, documents.c.collection, documents.c.source).where(
            documents.c.source.in_(piece), documents.c.deleted_at.is_(None)
        )
        held |= {(row.collection, row.source): row.id for row in connection.execute(query)}
    places = {name: (row.collection, wanted[name]) for name, row in rows.items() if name in wanted}
    return {name: held[place] for name, place in places.items() if place in held}


def _is_held(connection: Connection, collection: str, source: str) -> bool:
    is_there = documents.c.deleted_at.is_(None)
    query = sa.select(documents.c.id).where(
        documents.c.collection == collection, documents.c.source == source, is_there
    )
    return connection.scalar(query) is not None


def _retitle(connection: Connection, name: str, before: str, after: str) -> None:
    """A document without a title of its own is called by its file's name."""
    named = sa.and_(versions.c.document_id == name, versions.c.title == PurePath(before).name)
    connection.execute(versions.update().where(named).values(title=PurePath(after).name))


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
