"""Documents in the indexes beside the live one: their pointers, and which attempts and versions those hold.

`documents` points at a document's version and attempt in the live index, `shadows` at those in the others. A version
in an index beside the live one has such a row; a switch of indexes exchanges the two.

A row also says of which live version the two are images: `mirrors` of the version, `tries` of the attempt. As long as
`mirrors` is the document's live version, the index lacks nothing of it, whatever its content: another workflow or other
metadata make other points of the same bytes.
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
    "is_attempt",
    "is_current",
    "is_version",
    "is_version_live",
    "main_attempts",
    "mark_missing",
    "set_attempt",
    "set_live_version",
]


def is_current() -> sa.ColumnElement[bool]:
    """Whether the attempt is the current one of its document, in its index; `documents` is joined."""
    return sa.or_(documents.c.attempt_id == attempts.c.id, is_attempt())


def is_attempt() -> sa.ColumnElement[bool]:
    """Whether the attempt is the current one of an index beside the live one."""
    return sa.exists().where(shadows.c.attempt_id == attempts.c.id)


def is_version() -> sa.ColumnElement[bool]:
    """Whether the version is the one that stands in an index beside the live one."""
    return sa.exists().where(shadows.c.live_version_id == versions.c.id)


def is_version_live() -> sa.ColumnElement[bool]:
    """Whether the attempt's version is the one that stands in its index."""
    return sa.or_(
        sa.exists().where(
            documents.c.id == attempts.c.document_id, documents.c.live_version_id == attempts.c.version_id
        ),
        sa.exists().where(
            shadows.c.document_id == attempts.c.document_id, shadows.c.live_version_id == attempts.c.version_id
        ),
    )


def main_attempts(identities: Sequence[str]) -> sa.ColumnElement[bool]:
    """The condition for attempts of these documents in the live index."""
    return sa.and_(attempts.c.document_id.in_(identities), ~is_attempt())


def index_of_versions(connection: Connection, version_ids: Iterable[str]) -> dict[str, str]:
    """Those of the versions that belong to an index beside the live one: {version id: index}."""
    found: dict[str, str] = {}
    for piece in split_list(version_ids):
        rows = connection.execute(
            sa.select(versions.c.id, versions.c.index_name)
            .join(
                shadows,
                sa.and_(shadows.c.document_id == versions.c.document_id, shadows.c.index_name == versions.c.index_name),
            )
            .where(versions.c.id.in_(piece))
        )
        found |= {row.id: row.index_name for row in rows}
    return found


def set_attempt(connection: Connection, identity: str, index: str, attempt_id: str, version_id: str) -> None:
    """Make a run, which makes an image of this live version, the current one of its document in an index beside."""
    here = (shadows.c.document_id == identity, shadows.c.index_name == index)
    pointers = {"attempt_id": attempt_id, "tries": version_id}
    if not connection.execute(shadows.update().where(*here).values(pointers)).rowcount:
        connection.execute(shadows.insert().values(document_id=identity, index_name=index, **pointers))


def set_live_version(connection: Connection, identity: str, index: str, version_id: str) -> None:
    """The document stands in an index beside the live one, with the version that its current run has made."""
    here = (shadows.c.document_id == identity, shadows.c.index_name == index)
    values = {"live_version_id": version_id, "mirrors": shadows.c.tries}
    connection.execute(shadows.update().where(*here).values(values))


def mark_missing(connection: Connection, index: str, version_ids: Iterable[str]) -> None:
    """These versions are images of nothing: the index lacks their documents, until they are made anew."""
    for piece in split_list(version_ids):
        here = (shadows.c.index_name == index, shadows.c.live_version_id.in_(piece))
        connection.execute(shadows.update().where(*here).values(mirrors=None))


def delete_of_documents(connection: Connection, identities: Sequence[str]) -> None:
    """These documents are in no index beside the live one any more."""
    for piece in split_list(identities):
        connection.execute(shadows.delete().where(shadows.c.document_id.in_(piece)))
