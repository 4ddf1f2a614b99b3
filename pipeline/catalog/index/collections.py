"""Collections as users name them, and the vector space that each one holds."""

from __future__ import annotations

import time
from dataclasses import asdict, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from embeddings.base import Fingerprint
from pipeline.catalog.database.schema import collections, documents
from pipeline.catalog.index import indexes
from pipeline.catalog.index.indexes import Index
from pipeline.errors import SpaceMismatch
from pipeline.plan import IndexSpec

__all__ = ["check_space", "exists", "register", "set_space"]


def register(connection: Connection, name: str, space: Fingerprint, spec: IndexSpec) -> Index:
    """Get the live index of a collection; an unknown collection is recorded first.

    The specification of an index follows the settings within its space and with its analyser; a pinned index stays as
    it is.

    Raises:
        SpaceMismatch: the collection holds another space, and was never re-indexed.
    """
    live = check_space(connection, name, space)
    if live is None:
        row = {"name": name, "fingerprint": asdict(space), "created_at": time.time()}
        connection.execute(collections.insert().values(row))
        return indexes.add(connection, Index(indexes.first_name(name), name, "live", space, spec))
    # The points that the index has were made by its own analyser, and later ones must match them.
    followed = replace(spec, analyser=live.spec.analyser)
    if live.pinned or live.spec == followed:
        return live
    indexes.set_spec(connection, live.name, followed)
    return indexes.get(connection, live.name)


def check_space(connection: Connection, name: str, space: Fingerprint) -> Index | None:
    """The live index of a collection, None if the collection is not known.

    Its space must be this one, unless a re-index gave it one of its own.

    Raises:
        SpaceMismatch: the collection holds another space, and was never re-indexed.
    """
    live = indexes.live(connection, name)
    if live is None or live.pinned or live.fingerprint == space:
        return live
    raise SpaceMismatch(
        f"The collection {name} holds vectors of {live.fingerprint.model} ({live.fingerprint.dim} dimensions), "
        f"and this configuration makes vectors of {space.model} ({space.dim} dimensions)."
    )


def exists(connection: Connection, name: str) -> bool:
    """Whether a collection was ever written to, or a document was submitted for it."""
    has_document = sa.select(documents.c.id).where(documents.c.collection == name).limit(1)
    return indexes.live(connection, name) is not None or connection.scalar(has_document) is not None


def set_space(connection: Connection, name: str, space: Fingerprint) -> None:
    """Set the space of a collection: that of its live index from now on."""
    connection.execute(sa.update(collections).where(collections.c.name == name).values(fingerprint=asdict(space)))
