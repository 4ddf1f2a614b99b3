"""What readers see: the live version of each document, and the switch to a newer one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.bulk_update import update_each
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import counters, documents, versions
from pipeline.catalog.index import second_index

__all__ = [
    "count_chunks",
    "count_documents",
    "count_switch",
    "live_version_ids",
    "metadata_of",
    "size_of",
    "sizes_of",
    "switch",
    "switch_count",
]


def switch(connection: Connection, documents_versions: Mapping[str, str]) -> None:
    """Make these versions the live ones of their indexes: {document id: version id}. Those they replace are retired."""
    now = time.time()
    index_of = second_index.index_of_versions(connection, documents_versions.values())
    for version_ids in split_list(documents_versions.values()):
        _retire_replaced(connection, version_ids, now)
        values = {"live_at": now, "retired_at": None, "removed_at": None}
        connection.execute(versions.update().where(versions.c.id.in_(version_ids)).values(values))
    main_rows, sizes = {}, sizes_of(connection, documents_versions.values())
    for document_id, version_id in documents_versions.items():
        if version_id in index_of:
            second_index.set_live_version(connection, document_id, index_of[version_id], version_id)
        else:
            main_rows[document_id] = {"live_version_id": version_id, "size": sizes[version_id], "updated_at": now}
    update_each(connection, documents, main_rows)
    count_switch(connection)


def _retire_replaced(connection: Connection, version_ids: Sequence[str], now: float) -> None:
    """Retire the live versions that these versions replace: those of the same document in the same index."""
    new = versions.alias()
    is_replaced = sa.exists().where(
        new.c.id.in_(version_ids),
        new.c.document_id == versions.c.document_id,
        new.c.index_name == versions.c.index_name,
    )
    connection.execute(
        versions.update()
        .where(
            versions.c.document_id.in_(sa.select(new.c.document_id).where(new.c.id.in_(version_ids))),
            versions.c.live_at.is_not(None),
            versions.c.retired_at.is_(None),
            is_replaced,
        )
        .values(retired_at=now)
    )


def live_version_ids(connection: Connection, document_ids: Sequence[str]) -> dict[str, str]:
    """Ids of the live versions of these documents, by document; those without a live version are left out."""
    query = sa.select(documents.c.id, documents.c.live_version_id).where(
        documents.c.id.in_(document_ids), documents.c.live_version_id.is_not(None)
    )
    return {row.id: row.live_version_id for row in connection.execute(query)}


def metadata_of(connection: Connection, version_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The metadata that came with the documents of these versions, by version; those without are left out."""
    query = sa.select(versions.c.id, versions.c.metadata).where(
        versions.c.id.in_(version_ids), versions.c.metadata.is_not(None)
    )
    return {row.id: row.metadata for row in connection.execute(query)}


def sizes_of(connection: Connection, version_ids: Iterable[str]) -> dict[str, int]:
    """Bytes of these versions: {version id: bytes}."""
    sizes: dict[str, int] = {}
    for group in split_list(version_ids):
        rows = connection.execute(sa.select(versions.c.id, versions.c.size).where(versions.c.id.in_(group)))
        sizes |= {row.id: row.size for row in rows}
    return sizes


def count_documents(connection: Connection, collection: str) -> int:
    """Count the documents of a collection that have a live version."""
    conditions = (documents.c.collection == collection, documents.c.live_version_id.is_not(None))
    return connection.scalar(sa.select(sa.func.count()).where(*conditions)) or 0


def count_chunks(connection: Connection, collection: str) -> int:
    """Count the chunks of the live versions of a collection."""
    return int(connection.scalar(_sum_of_live(versions.c.chunks, collection)) or 0)


def size_of(connection: Connection, collection: str, overhead: int) -> int:
    """Bytes of the live versions of a collection, plus `overhead` bytes for each."""
    return int(connection.scalar(_sum_of_live(versions.c.size + overhead, collection)) or 0)


def _sum_of_live(amount: sa.ColumnElement[int], collection: str) -> sa.Select[Any]:
    return (
        sa.select(sa.func.sum(amount))
        .join(documents, documents.c.live_version_id == versions.c.id)
        .where(documents.c.collection == collection)
    )


def switch_count(connection: Connection) -> int:
    """A number that grows whenever what readers may see changes."""
    return connection.scalar(sa.select(counters.c.value).where(counters.c.name == "switch")) or 0


def count_switch(connection: Connection) -> None:
    """Count a change of what readers may see."""
    count = counters.update().where(counters.c.name == "switch").values(value=counters.c.value + 1)
    if not connection.execute(count).rowcount:
        connection.execute(counters.insert().values(name="switch", value=1))
