"""Finding documents: by id, by source, by the folder that their source is in."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import (
    documents,
    storable,
    versions,
)
from pipeline.catalog.documents.versions import NAMESPACE, FileRecord, matches

__all__ = [
    "KNOWN",
    "collection_of",
    "document_id",
    "find",
    "possibly_known",
    "sources",
    "unchanged_sources",
]

_NAMES: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)

_THERE = (documents.c.collection == sa.bindparam("collection")) & documents.c.source.in_(_NAMES)

KNOWN = sa.select(documents.c.id, documents.c.source).where(
    documents.c.id.in_(_NAMES) | (_THERE & documents.c.deleted_at.is_(None))
)
"""Asked for every submission while others wait, and so composed once."""


def document_id(collection: str, source: str) -> str:
    """The id that a document of this source gets, unless one that was renamed has it already."""
    return str(uuid.uuid5(NAMESPACE, f"{collection}\n{source}"))


def possibly_known(connection: Connection, collection: str, sources: Collection[str]) -> set[str]:
    """Of these sources those that the collection may know; the others are new to it."""
    wanted: dict[str, str] = {}
    for source in sources:
        wanted |= {document_id(collection, source): source, storable(source): source}
    found: set[str] = set()
    for piece in split_list(wanted):
        rows = connection.execute(KNOWN, {"collection": collection, "names": piece})
        # A document that was renamed keeps the id that its old source would get.
        found |= {wanted[key] for row in rows for key in row if key in wanted}
    return found


def unchanged_sources(connection: Connection, collection: str, recipe: str, files: Sequence[FileRecord]) -> set[str]:
    """Sources of those of these files that readers see already as they are, made by this recipe."""
    by_source = {storable(file.source): file for file in files}
    unchanged: set[str] = set()
    for piece in split_list(by_source):
        query = (
            sa.select(documents.c.source, versions)
            .join(versions, versions.c.id == documents.c.live_version_id)
            .where(
                documents.c.collection == collection, documents.c.source.in_(piece), documents.c.deleted_at.is_(None)
            )
        )
        for row in connection.execute(query).mappings():
            file = by_source[row["source"]]
            if matches(row, file, recipe) and not row["pages_unread"]:
                unchanged.add(file.source)
    return unchanged


def sources(connection: Connection, identities: Sequence[str]) -> dict[str, str]:
    """Where each of these documents comes from, now."""
    found = sa.select(documents.c.id, documents.c.source).where(documents.c.id.in_(identities))
    return {row.id: row.source for row in connection.execute(found)}


def collection_of(connection: Connection, document_id: str) -> str | None:
    """The collection of a document; None if there is no document with this id."""
    name: str | None = connection.scalar(sa.select(documents.c.collection).where(documents.c.id == document_id))
    return name


def find(connection: Connection, collection: str, names: Collection[str], folder: str) -> dict[str, str]:
    """Find documents by id, by source, or by the folder that their source is in: {id: source}.

    Deleted ones are left out, unless points of theirs may be left.

    Args:
        connection: the catalog.
        collection: the collection.
        names: ids and sources.
        folder: what the sources of documents in a folder begin with; it ends with a slash.
    """
    is_named = sa.or_(
        documents.c.id.in_(names),
        documents.c.source.in_(names),
        # Not LIKE, which takes capital letters for small ones on SQLite.
        sa.func.substr(documents.c.source, 1, len(folder)) == folder,
    )
    has_points = sa.exists().where(versions.c.document_id == documents.c.id, versions.c.removed_at.is_(None))
    rows = connection.execute(
        sa.select(documents.c.id, documents.c.source).where(
            documents.c.collection == collection, sa.or_(documents.c.deleted_at.is_(None), has_points), is_named
        )
    )
    return {row.id: row.source for row in rows}
