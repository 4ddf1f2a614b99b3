"""Copying a whole catalog: out of a running one into an SQLite file, and from such a file into an empty one.

The file has the tables of the catalog, whichever database they come from, and migrations bring it up to date as they
do a catalog. JSON is copied as the text that it is: what is NULL stays NULL, and what is a JSON null stays that.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.connection import HEAD, VERSION, open_catalog
from pipeline.catalog.database.schema import counters, events, metadata

__all__ = ["copy_out", "fill", "one_moment", "tables_with_rows", "up_to_date"]

ROWS = 1000
"""Rows that are read and written at a time."""

SKIPPED_EVENTS = 1_000_000
"""Event ids that a restored catalog leaves out: followers may have seen events that are newer than the copy."""


@contextmanager
def one_moment(engine: sa.Engine) -> Iterator[Connection]:
    """A connection that sees the catalog as it is now, whatever is committed meanwhile."""
    with engine.connect() as connection:
        connection.execute(sa.select(counters.c.name).limit(1)).all()  # the first statement takes the snapshot
        yield connection


def copy_out(connection: Connection, path: Path) -> None:
    """Copy the catalog, as this connection sees it, into a new SQLite file.

    Raises:
        OSError: there is no room for it.
    """
    try:
        _copy_out(connection, path)
    except (sqlite3.OperationalError, sa.exc.OperationalError) as error:
        cause = getattr(error, "orig", error)
        if getattr(cause, "sqlite_errorname", "") not in ("SQLITE_FULL", "SQLITE_IOERR_WRITE"):
            raise
        raise OSError(errno.ENOSPC, "There is no room for the copy of the catalog", str(path)) from error


def _copy_out(connection: Connection, path: Path) -> None:
    if connection.dialect.name == "sqlite":
        source: Any = connection.connection.dbapi_connection
        with closing(sqlite3.connect(path)) as target:
            source.backup(target)
            # The copy says of itself that it has a log; as one plain file it can be read from a read-only medium.
            target.execute("PRAGMA journal_mode=DELETE")
        return
    engine = _file_engine(path)
    with engine.begin() as target_connection:
        metadata.create_all(target_connection)
        VERSION.create(target_connection)
        target_connection.execute(VERSION.insert().values(version_num=HEAD))
        for table in metadata.sorted_tables:
            _copy_rows(connection, target_connection, table)
    engine.dispose()


@contextmanager
def up_to_date(path: Path) -> Iterator[Connection]:
    """A connection to a copy after the migrations that it has not seen; the file itself is changed.

    Raises:
        StackUnavailable: a newer version of Docrelay has written it.
    """
    open_catalog(sa.URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)).dispose()
    engine = _file_engine(path)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def fill(connection: Connection, source: Connection) -> None:
    """Replace all rows of a catalog by those of a copy, within the caller's transaction."""
    for table in metadata.sorted_tables:
        connection.execute(table.delete())
        _copy_rows(source, connection, table)
    if connection.dialect.name == "postgresql":
        _skip_given_ids(connection)


def tables_with_rows(connection: Connection) -> list[str]:
    """Names of the tables that have rows."""
    return [
        table.name
        for table in metadata.sorted_tables
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None
    ]


def _file_engine(path: Path) -> sa.Engine:
    return sa.create_engine(sa.URL.create("sqlite", database=str(path)), poolclass=sa.pool.NullPool)


def _copy_rows(source: Connection, target: Connection, table: sa.Table) -> None:
    columns = [_as_text(column, source.dialect.name).label(column.name) for column in table.columns]
    insert = table.insert().values({column.name: _parameter(column, target.dialect.name) for column in table.columns})
    result = source.execute(sa.select(*columns), execution_options={"yield_per": ROWS})
    for rows in result.mappings().partitions():
        target.execute(insert, [dict(row) for row in rows])


def _as_text(column: sa.Column[Any], dialect: str) -> sa.ColumnElement[Any]:
    if not isinstance(column.type, sa.JSON):
        return column
    return sa.cast(column, sa.Text) if dialect == "postgresql" else sa.type_coerce(column, sa.Text)


def _parameter(column: sa.Column[Any], dialect: str) -> sa.ColumnElement[Any]:
    if not isinstance(column.type, sa.JSON):
        return sa.bindparam(column.name, type_=column.type)
    text = sa.bindparam(column.name, type_=sa.Text())
    return sa.cast(text, sa.JSON) if dialect == "postgresql" else sa.type_coerce(text, sa.Text)


def _skip_given_ids(connection: Connection) -> None:
    """Let PostgreSQL give ids after those that were copied; SQLite goes by the rows themselves."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        newest = connection.scalar(sa.select(sa.func.max(column))) or 0
        skipped = SKIPPED_EVENTS if table is events else 1
        sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
        connection.execute(sa.select(sa.func.setval(sequence, newest + skipped)))
