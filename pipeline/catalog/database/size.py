"""How many bytes a database takes."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipeline.disk.usage import used_bytes

__all__ = ["database_bytes", "sqlite_bytes"]


def database_bytes(engine: Engine) -> int:
    """Bytes of a database: what SQLite's file and its log take on the disk, or what PostgreSQL reports."""
    if engine.dialect.name == "sqlite":
        return sqlite_bytes(Path(str(engine.url.database)))
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.pg_database_size(sa.func.current_database()))) or 0


def sqlite_bytes(path: Path) -> int:
    """Bytes that a file of SQLite takes on the disk with its log; 0 if there is none. Nothing is opened."""
    return sum(used_bytes(Path(f"{path}{suffix}")) for suffix in ("", "-wal", "-shm"))
