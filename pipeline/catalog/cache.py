"""The vector cache: a chunk whose text was embedded before in the same space is not embedded again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.schema import vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["lookup", "prune", "rows", "store"]


def lookup(connection: Connection, fingerprint: str, hashes: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Known vectors of these text hashes: {hash: (dim,) float32}."""
    # Only here: a process that merely prunes the cache has no other use for it.
    import numpy as np

    found = sa.select(vectors.c.text_hash, vectors.c.vector).where(
        vectors.c.fingerprint == fingerprint, vectors.c.text_hash.in_(set(hashes))
    )
    return {row.text_hash: np.frombuffer(row.vector, dtype="<f4") for row in connection.execute(found)}


def rows(fingerprint: str, fresh: Mapping[str, NDArray[np.float32]]) -> list[dict[str, Any]]:
    """What `store` keeps of vectors, (dim,) float32 by text hash."""
    now = time.time()
    return [
        {
            "fingerprint": fingerprint,
            "text_hash": name,
            "vector": fresh[name].astype("<f4").tobytes(),
            "created_at": now,
        }
        for name in sorted(fresh)
    ]


def store(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep these vectors; one that another worker has stored meanwhile stays."""
    connection.execute(_insert(connection.dialect.name), rows)


def prune(connection: Connection, keep: int) -> None:
    """Forget the oldest vectors beyond `keep`."""
    edge = connection.scalar(
        sa.select(vectors.c.created_at).order_by(vectors.c.created_at.desc()).offset(keep).limit(1)
    )
    if edge is not None:
        connection.execute(vectors.delete().where(vectors.c.created_at <= edge))


@cache
def _insert(dialect: str) -> sa.Insert:
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert

        return insert(vectors).on_conflict_do_nothing()
    from sqlalchemy.dialects.postgresql import insert as insert_postgresql

    return insert_postgresql(vectors).on_conflict_do_nothing()
