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
    # By way of a name that no document has: the index allows no two at any moment.
    for step in (lambda name: f"moving:{name}", wanted.__getitem__):
        for name in wanted:
            connection.execute(
                documents.update().where(documents.c.id == name).values(source=step(name), updated_at=now, moved_at=now)
            )
    for name, source in wanted.items():
        connection.execute(failures.update().where(failures.c.document_id == name).values(source=source))
        retitle(connection, name, rows[name].source, source)
    return set(wanted)


def documents_to_displace(connection: Connection, moves: Mapping[str, str]) -> set[str]:
    """Documents that have a name which one of the moved ones is to get, and that are not moved themselves."""
    return set(_holders(connection, _rows(connection, moves), moves).values()) - moves.keys()


def existing(connection: Connection, identities: Collection[str]) -> set[str]:
    """Those of these documents that are not deleted."""
    return set(_rows(connection, identities))


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
    """The documents that have the new names now: {document that is to get the name: document that has it}."""
    held: dict[tuple[str, str], str] = {}
    for piece in split_list(sorted(set(wanted.values()))):
        query = sa.select(documents.c.id, documents.c.collection, documents.c.source).where(
            documents.c.source.in_(piece), documents.c.deleted_at.is_(None)
        )
        held |= {(row.collection, row.source): row.id for row in connection.execute(query)}
    places = {name: (row.collection, wanted[name]) for name, row in rows.items() if name in wanted}
    return {name: held[place] for name, place in places.items() if place in held}


def retitle(connection: Connection, name: str, before: str, after: str) -> None:
    """A document without a title of its own is called by its file's name."""
    named = sa.and_(versions.c.document_id == name, versions.c.title == PurePath(before).name)
    connection.execute(versions.update().where(named).values(title=PurePath(after).name))
