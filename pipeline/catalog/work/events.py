"""Events in the order in which they happened: `subscribe` and the timeline of a document read them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import events
from pipeline.catalog.database.slices import delete_slices

__all__ = ["Event", "add", "list_after", "newest_at", "newest_id", "prune", "skip_lost_ids"]


SKIPPED = 1_000_000
"""Far more events than can be written before the disk has them."""

SEQUENCE = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
"""SQLite's own table of the last ids of tables with AUTOINCREMENT (https://sqlite.org/autoinc.html)."""

_OURS = SEQUENCE.c.name == events.name


class Event(NamedTuple):
    """One event; `id` grows, `kind` is a dotted word such as `document.completed` or `job.finished`."""

    id: int
    at: float
    job_id: str
    document_id: str | None
    kind: str
    data: dict[str, Any]


def add(
    connection: Connection, kind: str, about: Iterable[tuple[str, str | None]], data: dict[str, Any] | None = None
) -> None:
    """Record an event of this kind for each (job, document)."""
    now = time.time()
    rows = [
        {"at": now, "job_id": job, "document_id": document, "kind": kind, "data": data or {}} for job, document in about
    ]
    if rows:
        connection.execute(events.insert(), rows)


def skip_lost_ids(engine: Engine) -> None:
    """Skip event ids, so that none is given again that was lost in a power cut after a follower had read it.

    A follower of a job goes on after the last id that it saw. PostgreSQL gives no id twice.
    """
    if engine.dialect.name != "sqlite":
        return
    with writing(engine) as connection:
        updated = connection.execute(SEQUENCE.update().where(_OURS).values(seq=SEQUENCE.c.seq + SKIPPED))
        if not updated.rowcount:
            connection.execute(SEQUENCE.insert().values(name=events.name, seq=SKIPPED))


def list_after(connection: Connection, job_id: str, last: int, limit: int = 500) -> list[Event]:
    """Events of a job after the one with the id `last`, oldest first."""
    rows = connection.execute(
        sa.select(events).where(events.c.job_id == job_id, events.c.id > last).order_by(events.c.id).limit(limit)
    )
    return [Event(**row) for row in rows.mappings()]


def newest_id(connection: Connection, job_id: str) -> int:
    """Id of the job's last event, 0 when there is none."""
    return connection.scalar(sa.select(sa.func.max(events.c.id)).where(events.c.job_id == job_id)) or 0


def newest_at(connection: Connection) -> float | None:
    """The latest time of an event, in seconds since 1970; None when there is none."""
    newest: float | None = connection.scalar(sa.select(sa.func.max(events.c.at)))
    return newest


def prune(engine: Engine, before: float) -> int:
    """Delete the events before this time; how many."""
    return delete_slices(engine, events.c.id, events.c.at < before)
