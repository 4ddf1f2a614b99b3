"""The vector cache: a chunk whose text was embedded before in the same space is not embedded again.

With SQLite it is a file of its own, so that no process waits to write in the catalog while vectors are written; on
PostgreSQL a table beside the catalog's. It has no migrations: another layout would be another table.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.connection import make_engine, migration_lock, sqlite_url, writing
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema.columns import Id
from pipeline.catalog.database.size import sqlite_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


__all__ = [
    "cache_bytes",
    "delete",
    "ignore_if_unusable",
    "is_usable",
    "lookup",
    "open_cache",
    "page",
    "prune",
    "store",
    "to_rows",
    "vectors",
]

log = structlog.get_logger()

FILE = "cache.db"

DAMAGED_HINT = "Everything is embedded anew. Stop Docrelay, delete cache.db in its data folder, and start it again."
AWAY_HINT = "Everything is embedded anew as long as cache.db in the data folder cannot be used."

metadata = sa.MetaData()

vectors = sa.Table(
    "vectors",
    metadata,
    sa.Column("fingerprint", Id, primary_key=True),
    sa.Column("text_hash", Id, primary_key=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False, index=True),
)


def open_cache(catalog: Engine, data_dir: Path) -> Engine:
    """Open the cache that belongs to a catalog.

    Args:
        catalog: the catalog; a database server holds the cache too.
        data_dir: the folder of the cache where the catalog is SQLite.

    Raises:
        sqlalchemy.exc.DBAPIError: it cannot be used.
    """
    engine = catalog if catalog.dialect.name != "sqlite" else make_engine(sqlite_url(data_dir, FILE))
    with engine.connect() as connection:
        is_there = sa.inspect(connection).has_table(vectors.name)
    if not is_there:
        with migration_lock(engine), writing(engine) as connection:
            metadata.create_all(connection)
    return engine


def cache_bytes(catalog: Engine, data_dir: Path) -> int | None:
    """Bytes of the file of the cache; None where a database server holds it beside the catalog."""
    return sqlite_bytes(data_dir / FILE) if catalog.dialect.name == "sqlite" else None


@contextmanager
def ignore_if_unusable() -> Iterator[None]:
    """Go on without the cache if its file cannot be used; an error of a database server is raised."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        if not isinstance(error.orig, sqlite3.Error):
            raise
        is_damaged = type(error.orig) is sqlite3.DatabaseError
        log.warning("cache.unusable", error=str(error.orig), hint=DAMAGED_HINT if is_damaged else AWAY_HINT)


def lookup(
    connection: Connection, fingerprint: str, hashes: Sequence[str], dim: int | None = None
) -> dict[str, NDArray[np.float32]]:
    """Cached vectors of these text hashes: {hash: (dim,) float32}.

    Unknown hashes are left out; where `dim` is given, damaged rows too.
    """
    # Only here: a process that merely prunes the cache has no other use for it.
    import numpy as np

    query = sa.select(vectors.c.text_hash, vectors.c.vector).where(
        vectors.c.fingerprint == fingerprint, vectors.c.text_hash.in_(set(hashes))
    )
    rows = [row for row in connection.execute(query) if dim is None or is_usable(row.vector, dim)]
    return {row.text_hash: np.frombuffer(row.vector, dtype="<f4") for row in rows}


def is_usable(data: bytes, dim: int) -> bool:
    """Whether stored bytes can be a vector: of the right length, finite, and not zero."""
    import numpy as np

    if len(data) != 4 * dim:
        return False
    numbers = np.frombuffer(data, dtype="<f4")
    return bool(np.isfinite(numbers).all() and np.any(numbers))


def to_rows(fingerprint: str, fresh: Mapping[str, NDArray[np.float32]]) -> list[dict[str, Any]]:
    """Rows for `store` of vectors, (dim,) float32 by text hash."""
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
    """Store these vectors; one that another worker has stored meanwhile stays."""
    connection.execute(_insert(connection.dialect.name), rows)


def page(connection: Connection, fingerprint: str, after: str, limit: int) -> list[tuple[str, bytes]]:
    """Text hashes of a space with their vectors as they are stored, in order, from the hash after this one on."""
    query = (
        sa.select(vectors.c.text_hash, vectors.c.vector)
        .where(vectors.c.fingerprint == fingerprint, vectors.c.text_hash > after)
        .order_by(vectors.c.text_hash)
        .limit(limit)
    )
    return [(row.text_hash, bytes(row.vector)) for row in connection.execute(query)]


def delete(connection: Connection, fingerprint: str, hashes: Sequence[str]) -> None:
    """Delete the vectors of these texts in this space."""
    for group in split_list(hashes):
        matching = (vectors.c.fingerprint == fingerprint, vectors.c.text_hash.in_(group))
        connection.execute(vectors.delete().where(*matching))


def prune(connection: Connection, keep: int) -> int:
    """Delete the oldest vectors, so that `keep` are left; how many."""
    edge = connection.scalar(
        sa.select(vectors.c.created_at).order_by(vectors.c.created_at.desc()).offset(keep).limit(1)
    )
    if edge is None:
        return 0
    return connection.execute(vectors.delete().where(vectors.c.created_at <= edge)).rowcount


@cache
def _insert(dialect: str) -> sa.Insert:
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert

        return insert(vectors).on_conflict_do_nothing()
    from sqlalchemy.dialects.postgresql import insert as insert_postgresql

    return insert_postgresql(vectors).on_conflict_do_nothing()
