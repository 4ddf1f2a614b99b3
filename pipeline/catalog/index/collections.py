"""Collections as users name them, and the vector space that each one holds."""

from __future__ import annotations

import time
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from embeddings.base import Fingerprint
from pipeline.catalog.database.schema import collections
from pipeline.catalog.index import indexes
from pipeline.catalog.index.indexes import Index
from pipeline.errors import SpaceMismatch
from pipeline.plan import IndexSpec

__all__ = ["check_space", "register", "set_space"]


def register(connection: Connection, name: str, space: Fingerprint, spec: IndexSpec) -> Index:
    """The live index of a collection, which is recorded on first use.

    What an index is made with follows the settings within its space; one that was made by a re-index stays as it is.

    Raises:
        SpaceMismatch: the collection holds another space, and was never re-indexed.
    """
    held = check_space(connection, name, space)
    if held is None:
        row = {"name": name, "fingerprint": asdict(space), "created_at": time.time()}
        connection.execute(collections.insert().values(row))
        return indexes.add(connection, Index(indexes.first_name(name), name, "live", space, spec))
    if held.pinned or held.spec == spec:
        return held
    indexes.set_spec(connection, held.name, spec)
    return indexes.get(connection, held.name)


def check_space(connection: Connection, name: str, space: Fingerprint) -> Index | None:
    """The live index of a collection, None if the collection is not known.

    Its space must be this one, unless a re-index gave it one of its own.

    Raises:
        SpaceMismatch: the collection holds another space, and was never re-indexed.
    """
    held = indexes.live(connection, name)
    if held is None or held.pinned or held.fingerprint == space:
        return held
    raise SpaceMismatch(
        f"The collection {name} holds vectors of {held.fingerprint.model} ({held.fingerprint.dim} dimensions), "
        f"and this configuration makes vectors of {space.model} ({space.dim} dimensions)."
    )


def set_space(connection: Connection, name: str, space: Fingerprint) -> None:
    """Set the space of a collection: that of its live index from now on."""
    connection.execute(sa.update(collections).where(collections.c.name == name).values(fingerprint=asdict(space)))
