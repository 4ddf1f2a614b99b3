"""Documents in the indexes beside the live one: their pointers, and which attempts and versions those hold.

`documents` points at a document's version and attempt in the live index, `shadows` at those in the others. A version
in an index beside the live one has such a row; a switch of indexes exchanges the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.schema import attempts, documents, shadows, versions
from pipeline.catalog.slices import slices

__all__ = [
    "among",
    "forget",
    "is_attempt",
    "is_current",
    "is_seen",
    "is_version",
    "main_attempts_of",
    "point",
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


def is_seen() -> sa.ColumnElement[bool]:
    """Whether the attempt's version is the one that stands in its index."""
    return sa.or_(
        sa.exists().where(
            documents.c.id == attempts.c.document_id, documents.c.live_version_id == attempts.c.version_id
        ),
        sa.exists().where(
            shadows.c.document_id == attempts.c.document_id, shadows.c.live_version_id == attempts.c.version_id
        ),
    )


def main_attempts_of(identities: Sequence[str]) -> sa.ColumnElement[bool]:
    """The condition for attempts of these documents in the live index."""
    return sa.and_(attempts.c.document_id.in_(identities), ~is_attempt())


def among(connection: Connection, version_ids: Iterable[str]) -> dict[str, str]:
    """Those of the versions that belong to an index beside the live one: {version id: index}."""
    found: dict[str, str] = {}
    for piece in slices(version_ids):
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


def point(connection: Connection, identity: str, index: str, **pointers: str | None) -> None:
    """Set `attempt_id`, `live_version_id`, or both, of a document in an index beside the live one."""
    here = (shadows.c.document_id == identity, shadows.c.index_name == index)
    if not connection.execute(shadows.update().where(*here).values(pointers)).rowcount:
        connection.execute(shadows.insert().values(document_id=identity, index_name=index, **pointers))


def forget(connection: Connection, identities: Sequence[str]) -> None:
    """These documents are in no index beside the live one any more."""
    for piece in slices(identities):
        connection.execute(shadows.delete().where(shadows.c.document_id.in_(piece)))
