"""Opening the catalog: SQLite in WAL mode or PostgreSQL by URL, brought up to the current schema.

Both keep the same order of things: one transaction writes at a time, and one that reads sees one moment. SQLite
cannot do otherwise; on PostgreSQL an advisory lock sees to it. What is decided by counting (is this the batch's
last task, the job's last document, is there room in the window) would go wrong between two that count at once,
and events are read in the order of their ids, which must be the order of commits. A writing transaction takes
milliseconds; `docs/distributed.md` says how many fit into a second.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import cast

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.postgres import MIGRATION_LOCK, make_postgres_engine
from pipeline.catalog.database.schema import metadata
from pipeline.catalog.database.sqlite import make_sqlite_engine
from pipeline.catalog.database.write_queue import WriteQueue
from pipeline.errors import BadRequest, StackUnavailable

__all__ = ["HEAD", "make_durable", "make_engine", "migration_lock", "open_catalog", "sqlite_url", "upgrade", "writing"]

log = structlog.get_logger()

HEAD = "ocr_confidence"
"""Newest migration; `tests/unit/catalog/test_catalog.py` compares it with what alembic finds."""

VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table."""

DATASYNC = getattr(os, "fdatasync", os.fsync)  # macOS has none

CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"
CHECKPOINT_EVERY = 64
"""Writing transactions of a process after which it moves SQLite's log into the database."""

LONG_LOG = 4_000
"""Pages of SQLite's log, of 4 kB, from which on it is made to begin anew."""


def sqlite_url(data_dir: Path, name: str = "catalog.db") -> str:
    """The URL of the catalog in a data folder, or of another database there."""
    return sa.URL.create("sqlite", database=str(data_dir / name)).render_as_string(hide_password=False)


def open_catalog(url: str) -> Engine:
    """Open the catalog and bring its tables up to date.

    Raises:
        BadRequest: the URL names another kind of database.
        StackUnavailable: the database does not answer, its driver is missing, or a newer Docrelay has written it.
    """
    engine = make_engine(url)
    with ExitStack() as undo:
        undo.callback(engine.dispose)
        try:
            with engine.connect() as connection:
                version = _version(connection)
            if version != HEAD:
                _create_or_upgrade(engine)
        except sa.exc.OperationalError as error:
            url_text = engine.url.render_as_string()
            hint = "Check that the database is up and that DOCRELAY_DATABASE_URL is right."
            raise StackUnavailable(f"The catalog {url_text} cannot be opened: {error.orig}", hint) from error
        undo.pop_all()
    return engine


@contextmanager
def writing(engine: Engine, *, urgent: bool = False, durable: bool = True) -> Iterator[Connection]:
    """A transaction that writes; it holds the write lock from its first statement, and others wait.

    Args:
        engine: the catalog.
        urgent: a user waits for the transaction: it goes before those of workers.
        durable: False for what may be lost in a power cut, together with all that was written after it: on SQLite the
            commit then does not wait for the disk. The next durable transaction makes it durable too.

    Raises:
        OSError: SQLite's log cannot be written out to the disk.
    """
    with ExitStack() as scope:
        if engine.dialect.name == "sqlite" and engine.url.database:
            scope.enter_context(_write_queue(engine).turn(urgent=urgent))
        connection = scope.enter_context(engine.connect())
        _will_write(connection)
        with connection.begin():
            before = _changes(connection)
            yield connection
            wait_for_disk = durable or connection.get_execution_options().get("durable", False)
            has_log = wait_for_disk and _changes(connection) != before and bool(engine.url.database)
    if has_log:
        _write_out(_log_of(engine))
    if (
        not urgent
        and engine.dialect.name == "sqlite"
        and next(engine.get_execution_options()["commits"]) % CHECKPOINT_EVERY == 0
    ):
        _move_log(engine)


def make_durable(connection: Connection) -> None:
    """Have a transaction wait for the disk though it was begun without: it holds what is reported as final."""
    connection.execution_options(durable=True)


def _changes(connection: Connection) -> int:
    """Rows that an SQLite connection has written; 0 elsewhere, where a commit waits for the disk by itself."""
    return getattr(connection.connection.dbapi_connection, "total_changes", 0)


def _write_queue(engine: Engine) -> WriteQueue:
    return cast(WriteQueue, engine.get_execution_options()["write_queue"])


def _log_of(engine: Engine) -> str:
    """SQLite's log, beside the file that links lead to."""
    return f"{os.path.realpath(str(engine.url.database))}-wal"


def _write_out(path: str) -> None:
    """Wait for the disk as SQLite would at each commit with synchronous=FULL, but without its write lock.

    A commit is a frame at the end of the log, so that all of them up to now last. With synchronous=NORMAL SQLite waits
    itself when it moves the log into the database, after which the log may be gone (https://sqlite.org/wal.html).
    """
    try:
        log = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # where there can be no log, each commit has waited
        return
    try:
        # The log's blocks are written again and again: without its times it seldom has to wait for the journal.
        DATASYNC(log)
    finally:
        os.close(log)


def _move_log(engine: Engine) -> None:
    """Move SQLite's log into the database while others write, and not within a commit.

    That takes until the disk has it. What others append meanwhile stays behind, and keeps the log from beginning anew:
    where it has grown long, the little that is left is moved while no other process can write.
    """
    try:
        # The cursor is closed first: a statement in progress would make SQLite refuse the connection's next commit.
        with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            _, frames, _ = cursor.execute(CHECKPOINT).fetchone()
            if frames > LONG_LOG:
                with _write_queue(engine).turn(urgent=False):
                    cursor.execute(CHECKPOINT)
    except (sqlite3.Error, sa.exc.SQLAlchemyError, OSError) as error:
        # What was written lasts in the log: it must not look as if the write had failed.
        log.warning("catalog.log_not_moved", error=str(error))


def make_engine(url: str) -> Engine:
    """Make an engine for a database, whatever it holds. Raises as `open_catalog` does."""
    parsed = sa.make_url(url)
    kind = parsed.get_backend_name()
    if kind in ("postgresql", "postgres"):
        return make_postgres_engine(parsed.set(drivername="postgresql+psycopg"))
    if kind != "sqlite":
        raise BadRequest(f"The catalog cannot be kept in {kind}.", "Use a postgresql:// or sqlite:// URL.")
    return make_sqlite_engine(parsed)


def _will_write(connection: Connection) -> None:
    connection.execution_options(writing=True)
    if connection.dialect.name == "postgresql":
        # Every statement sees what was committed before it, so all of it that the lock's last holder did.
        connection.execution_options(isolation_level="READ COMMITTED")


def _version(connection: Connection) -> str | None:
    """The newest migration that the catalog has seen; None for an empty database."""
    if not sa.inspect(connection).has_table(VERSION.name):
        return None
    version: str | None = connection.scalar(sa.select(VERSION.c.version_num))
    return version


def _create_or_upgrade(engine: Engine) -> None:
    with migration_lock(engine), writing(engine) as connection:
        version = _version(connection)  # another process may have been first
        if version is None:
            # What all migrations together come to, which is what a test compares; without alembic's import.
            metadata.create_all(connection, checkfirst=False)
            VERSION.create(connection, checkfirst=False)
            connection.execute(VERSION.insert().values(version_num=HEAD))
        elif version != HEAD:
            upgrade(connection)


def upgrade(connection: Connection) -> None:
    """Run the migrations that the catalog has not seen yet, within the caller's transaction.

    Raises:
        StackUnavailable: another Docrelay has written it, whose migrations this one does not know.
    """
    # Only for a catalog of an older release: the import alone takes as long as all else that a command does.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    # The option is read with interpolation, where a percent sign is doubled.
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StackUnavailable(
            "Another version of Docrelay has written this catalog.",
            "Upgrade this one; if it is the newest, take another data folder and ingest the files again.",
        ) from error


@contextmanager
def migration_lock(engine: Engine) -> Iterator[None]:
    """Hold the lock that lets one process migrate at a time."""
    if engine.dialect.name == "sqlite":
        with Path(f"{engine.url.database}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    with engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(MIGRATION_LOCK)))
        # The lock is the session's: a transaction that is idle during a long migration would be ended.
        connection.commit()
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(MIGRATION_LOCK)))
