"""SQLite: its connections, in WAL mode."""

from __future__ import annotations

import itertools
import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, ExceptionContext

from pipeline.catalog.database.write_queue import WriteQueue

__all__ = ["make_sqlite_engine"]

BUSY_TIMEOUT_MS = 60_000

PAUSE_S = 0.02
"""Pause before a connection asks again for the WAL mode."""

LONGEST_LOG = 16_000
"""Pages of the log at which a commit moves it itself, where no other process does."""


def make_sqlite_engine(url: sa.URL) -> Engine:
    """Make an engine for a database file; its execution options hold the count of commits and the queue of writers."""
    if url.database:
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A connection knows its statements and pages: the one that was used last, and more of them than the usual 128.
    connect = {"timeout": BUSY_TIMEOUT_MS / 1000, "cached_statements": 512}
    pool = {"pool_use_lifo": True} if url.database else {}
    engine = sa.create_engine(url, connect_args=connect, hide_parameters=True, **pool)
    engine.update_execution_options(commits=itertools.count(1), write_queue=WriteQueue(str(url.database)))
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    sa.event.listen(engine, "handle_error", _keep)
    return engine


def _prepare(raw: Any, _record: Any) -> None:
    # The driver's own transaction handling starts them late; SQLAlchemy's documentation says to
    # switch it off and to send BEGIN in the `begin` event.
    raw.isolation_level = None
    synchronous = "NORMAL" if _enter_wal_mode(raw) == "wal" else "FULL"
    for pragma in (f"synchronous={synchronous}", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        raw.execute(f"PRAGMA {pragma}")
    raw.execute(f"PRAGMA wal_autocheckpoint={LONGEST_LOG}")


def _enter_wal_mode(raw: Any) -> str:
    """Have the database in WAL mode, if it can be; its journal mode.

    A database enters it once. SQLite does not wait for the lock that this takes while another connection writes or
    enters it too: of two processes that open a new catalog at once, one would fail.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            return str(raw.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            # The extended codes of SQLITE_BUSY have it in their last byte.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_S)


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _keep(context: ExceptionContext) -> None:
    # Ctrl-C in the middle of a statement makes SQLAlchemy close the connection. SQLite puts that off as long as the
    # interrupted statement is referred to, by a traceback say, and keeps the write lock until then. The
    # connection is as good as ever, so it is rolled back and kept.
    if not isinstance(context.original_exception, sqlite3.Error):
        context.is_disconnect = False
