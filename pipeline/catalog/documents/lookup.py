"""Finding documents: by id, by source, by the folder that their source is in."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, documents, storable, versions
from pipeline.catalog.documents.versions import NAMESPACE, FileRecord, SameRecipes, matches
from pipeline.source_names import ascii_prefix, spelling_of

__all__ = [
    "KNOWN",
    "collection_of",
    "contents",
    "derive_document_id",
    "find",
    "ids_of_sources",
    "possibly_known",
    "sources",
    "spellings",
    "unchanged_sources",
]

_NAMES: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)

_HAS_SOURCE = (documents.c.collection == sa.bindparam("collection")) & documents.c.source.in_(_NAMES)

KNOWN = sa.select(documents.c.id, documents.c.source).where(
    documents.c.id.in_(_NAMES) | (_HAS_SOURCE & documents.c.deleted_at.is_(None))
)
"""Executed for every submission while other processes wait, and so composed once."""


def derive_document_id(collection: str, source: str) -> str:
    """The id that a new document of this source gets, unless a document that was renamed has it already."""
    return str(uuid.uuid5(NAMESPACE, f"{collection}\n{source}"))


def possibly_known(connection: Connection, collection: str, sources: Collection[str]) -> set[str]:
    """Those of these sources that the collection may know; the others are new to it."""
    wanted: dict[str, str] = {}
    for source in sources:
        wanted |= {derive_document_id(collection, source): source, storable(source): source}
    known: set[str] = set()
    for group in split_list(wanted):
        rows = connection.execute(KNOWN, {"collection": collection, "names": group})
        # A document that was renamed keeps the id that its old source would get.
        known |= {wanted[key] for row in rows for key in row if key in wanted}
    return known


def unchanged_sources(
    connection: Connection, collection: str, recipe: str, files: Sequence[FileRecord], same: SameRecipes | None = None
) -> dict[str, Mapping[Any, Any]]:
    """Those of these files whose live version has the same content and was made by this recipe.

    `same`: recipes by which it counts as made already.

    Returns:
        The rows of these versions, by the sources of the files.
    """
    by_source = {storable(file.source): file for file in files}
    unchanged: dict[str, Mapping[Any, Any]] = {}
    for group in split_list(by_source):
        query = (
            sa.select(documents.c.source, versions)
            .join(versions, versions.c.id == documents.c.live_version_id)
            .where(
                documents.c.collection == collection, documents.c.source.in_(group), documents.c.deleted_at.is_(None)
            )
        )
        for row in connection.execute(query).mappings():
            file = by_source[row["source"]]
            if matches(row, file, recipe, same) and not row["pages_unread"]:
                unchanged[file.source] = row
    return unchanged


def contents(connection: Connection, collection: str, sources: Collection[str]) -> dict[str, set[str]]:
    """The contents that documents of these sources have, the live and the newest one: {source: SHA-256}."""
    by_name, known = {storable(source): source for source in sources}, defaultdict(set)
    query = (
        sa.select(documents.c.source, versions.c.content_sha256)
        .select_from(documents)
        .outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
        .join(versions, versions.c.id.in_((documents.c.live_version_id, attempts.c.version_id)))
        .where(documents.c.collection == collection, documents.c.deleted_at.is_(None))
    )
    for group in split_list(by_name):
        for row in connection.execute(query.where(documents.c.source.in_(group))):
            known[by_name[row.source]].add(row.content_sha256)
    return dict(known)


def sources(connection: Connection, document_ids: Sequence[str]) -> dict[str, str]:
    """The present source of each of these documents: {document id: source}."""
    query = sa.select(documents.c.id, documents.c.source).where(documents.c.id.in_(document_ids))
    return {row.id: row.source for row in connection.execute(query)}


def collection_of(connection: Connection, document_id: str) -> str | None:
    """The collection of a document; None if there is no document with this id."""
    name: str | None = connection.scalar(sa.select(documents.c.collection).where(documents.c.id == document_id))
    return name


def find(connection: Connection, collection: str, names: Collection[str]) -> dict[str, str]:
    """Find documents by id, by source, or by the folder that their source is in: {id: source}.

    Deleted ones are left out, unless points of theirs may be left.
    """
    spelled = {spelling for name in names for spelling in spellings(connection, collection, name)}
    is_named = sa.or_(documents.c.id.in_(names), *(_is_or_is_below(spelling) for spelling in spelled))
    has_points = sa.exists().where(versions.c.document_id == documents.c.id, versions.c.removed_at.is_(None))
    rows = connection.execute(
        sa.select(documents.c.id, documents.c.source).where(
            documents.c.collection == collection, sa.or_(documents.c.deleted_at.is_(None), has_points), is_named
        )
    )
    return {row.id: row.source for row in rows}


def ids_of_sources(connection: Connection, collection: str, sources: Collection[str]) -> dict[str, str]:
    """Ids of the documents that have exactly these sources: {id: source}.

    Deleted ones are left out, unless points of theirs may be left.
    """
    has_points = sa.exists().where(versions.c.document_id == documents.c.id, versions.c.removed_at.is_(None))
    is_there = sa.or_(documents.c.deleted_at.is_(None), has_points)
    wanted = {derive_document_id(collection, source): source for source in sources}
    wanted |= {storable(source): source for source in sources}
    found: dict[str, str] = {}
    for group in split_list(wanted):
        known = connection.execute(KNOWN, {"collection": collection, "names": group})
        ids = [row.id for row in known if row.source in wanted]
        query = sa.select(documents.c.id, documents.c.source).where(documents.c.id.in_(ids), is_there)
        found |= {row.id: row.source for row in connection.execute(query)}
    return found


def spellings(connection: Connection, collection: str, name: str) -> list[str]:
    """How sources of a collection spell a file or a folder; empty if no source has the name.

    A source that has exactly this name, or is in a folder of it, goes first: only without one the names count that
    are the same in NFC.
    """
    stored = storable(name)
    of_collection = documents.c.collection == collection
    exact = sa.select(documents.c.id).where(of_collection, _is_or_is_below(stored)).limit(1)
    if stored.isascii() or connection.scalar(exact) is not None:
        return [stored]
    beginning = ascii_prefix(stored)
    similar = sa.func.substr(documents.c.source, 1, len(beginning)) == beginning
    known = connection.scalars(sa.select(documents.c.source).where(of_collection, similar))
    return sorted({spelling for source in known if (spelling := spelling_of(source, stored)) is not None})


def _is_or_is_below(name: str) -> sa.ColumnElement[bool]:
    """The condition that a source is this file, or is in this folder: an absolute one, or a URI."""
    if not name.startswith("/") and "://" not in name:
        return documents.c.source == name
    folder = name.rstrip("/") + "/"
    # Not LIKE, which takes capital letters for small ones on SQLite.
    return sa.or_(documents.c.source == name, sa.func.substr(documents.c.source, 1, len(folder)) == folder)
