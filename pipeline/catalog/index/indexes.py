"""Indexes: where the points of a collection are, the specification of each, and which one readers see.

A collection has one `live` index. Beside it there may be one that is `building`, or one that is `soaking`: kept for a
while after a switch, so that the user can go back. A `dropping` index is being deleted; of a `dropped` one only the
name is left, which is never used again.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from embeddings.base import Fingerprint
from pipeline.catalog.database.schema import indexes
from pipeline.errors import UnknownId
from pipeline.plan import IndexSpec

__all__ = [
    "Index",
    "add",
    "analysers",
    "first_name",
    "get",
    "list_all",
    "list_of_collection",
    "live",
    "next_name",
    "pin",
    "set_role",
    "set_spec",
]


LIVE = sa.select(indexes).where(indexes.c.collection == sa.bindparam("collection"), indexes.c.role == "live")
"""Executed for every submission and every search, and so composed once."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a collection. A `pinned` index was made by a re-index, and no setting changes its specification."""

    name: str
    collection: str
    role: str
    fingerprint: Fingerprint
    spec: IndexSpec
    pinned: bool = False
    created_at: float = field(default_factory=time.time)


def first_name(collection: str) -> str:
    """The name of a collection's first index."""
    return f"{collection}~1"


def next_name(connection: Connection, collection: str) -> str:
    """A name for a new index that no index of the collection ever had."""
    query = sa.select(indexes.c.name).where(indexes.c.collection == collection)
    numbers = {int(name.rpartition("~")[2]) for name in connection.scalars(query)}
    return f"{collection}~{max(numbers, default=0) + 1}"


def add(connection: Connection, index: Index) -> Index:
    """Record an index."""
    row = asdict(index)
    row["making"] = row.pop("spec")
    connection.execute(indexes.insert().values(row))
    return index


def get(connection: Connection, name: str) -> Index:
    """An index by its name.

    Raises:
        UnknownId: there is no such index, or it was dropped.
    """
    row = connection.execute(sa.select(indexes).where(indexes.c.name == name)).one_or_none()
    if row is None or row.role == "dropped":
        raise UnknownId(f"There is no index {name}.")
    return _index(row)


def live(connection: Connection, collection: str) -> Index | None:
    """The index of a collection that readers see; None for an unknown collection."""
    row = connection.execute(LIVE, {"collection": collection}).one_or_none()
    return None if row is None else _index(row)


def analysers(connection: Connection) -> dict[str, int]:
    """The analyser of each collection: that of its live index."""
    query = sa.select(indexes.c.collection, indexes.c.making).where(indexes.c.role == "live")
    return {row.collection: IndexSpec(**row.making).analyser for row in connection.execute(query)}


def list_all(connection: Connection) -> list[Index]:
    """Every index of every collection that may hold points."""
    query = sa.select(indexes).where(indexes.c.role != "dropped").order_by(indexes.c.collection, indexes.c.created_at)
    return [_index(row) for row in connection.execute(query)]


def list_of_collection(connection: Connection, collection: str) -> list[Index]:
    """Every index that may hold points of the collection, oldest first."""
    query = sa.select(indexes).where(indexes.c.collection == collection, indexes.c.role != "dropped")
    return [_index(row) for row in connection.execute(query.order_by(indexes.c.created_at))]


def set_role(connection: Connection, name: str, role: str) -> None:
    """Set the role of an index."""
    dropped = {"dropped_at": time.time()} if role == "dropping" else {}
    connection.execute(indexes.update().where(indexes.c.name == name).values(role=role, **dropped))


def pin(connection: Connection, name: str) -> None:
    """Pin an index: from now on no setting changes its specification."""
    connection.execute(indexes.update().where(indexes.c.name == name).values(pinned=True))


def set_spec(connection: Connection, name: str, spec: IndexSpec) -> None:
    """Set the specification of an index; its space stays."""
    connection.execute(indexes.update().where(indexes.c.name == name).values(making=asdict(spec)))


def _index(row: sa.Row[Any]) -> Index:
    return Index(
        name=row.name,
        collection=row.collection,
        role=row.role,
        fingerprint=Fingerprint(**row.fingerprint),
        spec=IndexSpec(**row.making),
        pinned=row.pinned,
        created_at=row.created_at,
    )
