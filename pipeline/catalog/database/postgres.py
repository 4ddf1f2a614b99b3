"""PostgreSQL: its connections, and the advisory lock by which one transaction writes at a time."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.errors import StackUnavailable

__all__ = [
    "MIGRATION_LOCK",
    "make_postgres_engine",
    "server_time",
]

MIGRATION_LOCK = 0x646F6372656C6179

WRITE_LOCK = MIGRATION_LOCK + 1
"""Numbers of advisory locks; databases of one server share the numbers, not the locks."""

LOCK_TIMEOUT_MS = 60_000
"""Longest wait for a lock."""

IDLE_TIMEOUT_MS = 300_000
"""A transaction without a statement for so long is ended: its process hangs or is cut off, and others wait."""

LIBPQ = {
    "application_name": "docrelay",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


def make_postgres_engine(url: sa.URL) -> Engine:
    """Make an engine for a PostgreSQL database. Raises StackUnavailable if its driver is missing."""
    try:
        engine = sa.create_engine(
            url,
            isolation_level="REPEATABLE READ",
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=4,
            max_overflow=8,
            connect_args=LIBPQ,
        )
    except ModuleNotFoundError as error:
        raise StackUnavailable("The driver of PostgreSQL is missing.", "pip install 'docrelay[postgres]'") from error
    sa.event.listen(engine, "connect", _prepare_postgres)
    sa.event.listen(engine, "begin", _begin_postgres)
    return engine


def _prepare_postgres(raw: Any, _record: Any) -> None:
    raw.autocommit = True
    raw.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
    raw.execute(f"SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS}")
    raw.autocommit = False


def _begin_postgres(connection: Connection) -> None:
    if connection.get_execution_options().get("writing"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


def server_time(connection: Connection) -> float | None:
    """The time of the database server, in seconds since 1970; None for SQLite, which has no clock of its own."""
    if connection.dialect.name != "postgresql":
        return None
    return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())
