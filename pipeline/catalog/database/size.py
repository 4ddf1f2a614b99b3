"""How many bytes a database takes."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipeline.disk.usage import used_bytes

__all__ = ["database_bytes"]


def database_bytes(engine: Engine) -> int:
    """Bytes of a database: what SQLite's file and its log take on the disk, or what PostgreSQL reports."""
    if engine.dialect.name == "sqlite":
        return sum(used_bytes(Path(f"{engine.url.database}{suffix}")) for suffix in ("", "-wal", "-shm"))
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.pg_database_size(sa.func.current_database()))) or 0
