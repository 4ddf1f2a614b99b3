"""Documents in the indexes beside the live one: their pointers, and which attempts and versions those hold.

`documents` points at a document's version and attempt in the live index, `shadows` at those in the others. A version
in an index beside the live one has such a row; a switch of indexes exchanges the two.

A row also says of which live version the two are images: `mirrors` of the version, `tries` of the attempt. As long as
`mirrors` is the document's live version, the document is not missing in the index, whatever its content: another
workflow or other metadata make other points of the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, documents, shadows, versions

__all__ = [
    "delete_of_documents",
    "index_of_versions",
    "is_current",
    "is_current_in_second_index",
    "is_live_in_second_index",
    "is_version_live",
    "main_attempts",
    "mark_missing",
    "set_attempt",
    "set_live_version",
]


def is_current() -> sa.ColumnElement[bool]:
    """Whether the attempt is the current one of its document, in its index; `documents` is joined."""
    return sa.or_(documents.c.attempt_id == attempts.c.id, is_current_in_second_index())


def is_current_in_second_index() -> sa.ColumnElement[bool]:
    """Whether the attempt is the current one of an index beside the live one."""
    return sa.exists().where(shadows.c.attempt_id == attempts.c.id)


def is_live_in_second_index() -> sa.ColumnElement[bool]:
    """Whether the version is the live one of its document in an index beside the live index."""
    return sa.exists().where(shadows.c.live_version_id == versions.c.id)


def is_version_live() -> sa.ColumnElement[bool]:
    """Whether the attempt's version is the live one of its document in its index, the live index or another."""
    return sa.or_(
        sa.exists().where(
            documents.c.id == attempts.c.document_id, documents.c.live_version_id == attempts.c.version_id
        ),
        sa.exists().where(
            shadows.c.document_id == attempts.c.document_id, shadows.c.live_version_id == attempts.c.version_id
        ),
    )


def main_attempts(document_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """The condition for attempts of these documents in the live index."""
    return sa.and_(attempts.c.document_id.in_(document_ids), ~is_current_in_second_index())


def index_of_versions(connection: Connection, version_ids: Iterable[str]) -> dict[str, str]:
    """Those of the versions that belong to an index beside the live one: {version id: index}."""
    index_of: dict[str, str] = {}
    for group in split_list(version_ids):
        rows = connection.execute(
            sa.select(versions.c.id, versions.c.index_name)
            .join(
                shadows,
                sa.and_(shadows.c.document_id == versions.c.document_id, shadows.c.index_name == versions.c.index_name),
            )
            .where(versions.c.id.in_(group))
        )
        index_of |= {row.id: row.index_name for row in rows}
    return index_of


def set_attempt(connection: Connection, document_id: str, index: str, attempt_id: str, version_id: str) -> None:
    """Make an attempt, which copies this live version, the current one of its document in an index beside."""
    match = (shadows.c.document_id == document_id, shadows.c.index_name == index)
    pointers = {"attempt_id": attempt_id, "tries": version_id}
    if not connection.execute(shadows.update().where(*match).values(pointers)).rowcount:
        connection.execute(shadows.insert().values(document_id=document_id, index_name=index, **pointers))


def set_live_version(connection: Connection, document_id: str, index: str, version_id: str) -> None:
    """Set the live version of a document in an index beside the live one: the version that its current attempt made."""
    match = (shadows.c.document_id == document_id, shadows.c.index_name == index)
    values = {"live_version_id": version_id, "mirrors": shadows.c.tries}
    connection.execute(shadows.update().where(*match).values(values))


def mark_missing(connection: Connection, index: str, version_ids: Iterable[str]) -> None:
    """Mark the documents of these versions as missing in the index, until they are indexed again."""
    for group in split_list(version_ids):
        match = (shadows.c.index_name == index, shadows.c.live_version_id.in_(group))
        connection.execute(shadows.update().where(*match).values(mirrors=None))


def delete_of_documents(connection: Connection, document_ids: Sequence[str]) -> None:
    """Remove these documents from the indexes beside the live one."""
    for group in split_list(document_ids):
        connection.execute(shadows.delete().where(shadows.c.document_id.in_(group)))
