"""Collections and the vector space that each one holds."""

from __future__ import annotations

import time
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from embeddings.base import Fingerprint
from pipeline.catalog.schema import collections
from pipeline.errors import SpaceMismatch

__all__ = ["check", "register"]


def register(connection: Connection, name: str, space: Fingerprint) -> None:
    """Record a collection on first use; afterwards only vectors of the same space are taken.

    Raises:
        SpaceMismatch: the collection holds another space.
    """
    if not check(connection, name, space):
        row = {"name": name, "fingerprint": asdict(space), "created_at": time.time()}
        connection.execute(collections.insert().values(row))


def check(connection: Connection, name: str, space: Fingerprint) -> bool:
    """Whether the collection is known; if it is, its space must be this one.

    Raises:
        SpaceMismatch: the collection holds another space.
    """
    found = connection.scalar(sa.select(collections.c.fingerprint).where(collections.c.name == name))
    if found is None:
        return False
    held = Fingerprint(**found)
    if held != space:
        raise SpaceMismatch(
            f"The collection {name} holds vectors of {held.model} ({held.dim} dimensions), "
            f"and this configuration makes vectors of {space.model} ({space.dim} dimensions)."
        )
    return True
