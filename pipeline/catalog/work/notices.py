"""Notices: events that rules may report, recorded in the transaction in which they happen.

A notice is routed once: to the deliveries of all rules that report it (`outbox.collect`), in one transaction.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import counters, delivery_notices, notices
from pipeline.catalog.database.slices import delete_slices

__all__ = [
    "Notice",
    "add",
    "complete",
    "is_any_reported",
    "is_any_unrouted",
    "list_unrouted",
    "mark_routed",
    "note_rules",
    "of_delivery",
    "prune",
    "rules_noted_at",
]

PAGE = 500
"""Rows that are read at once."""

RULES_NOTED = "notify_rules_noted"
"""Counter: when a process that has rules was at work last, in milliseconds since 1970."""


class Notice(NamedTuple):
    """An event; `cleared` says that what an earlier notice of this subject has reported is over.

    `subject` is what it is about: a job's id, a worker, a folder. `facts` are what its text is made of.
    """

    id: str
    event: str
    subject: str
    severity: str
    cleared: bool
    at: float
    facts: Mapping[str, Any]


COLUMNS = tuple(notices.c[name] for name in Notice._fields)


def add(
    connection: Connection,
    event: str,
    subject: str,
    severity: str,
    facts: Mapping[str, Any] | None = None,
    *,
    cleared: bool = False,
) -> None:
    """Record an event, to be reported by the rules that name it."""
    row = Notice(str(uuid.uuid4()), event, subject, severity, cleared, time.time(), dict(facts or {}))
    connection.execute(notices.insert().values(**row._asdict()))


def is_any_unrouted(connection: Connection) -> bool:
    """Whether a notice waits to be routed; it needs no write lock."""
    return connection.scalar(sa.select(notices.c.id).where(notices.c.routed_at.is_(None)).limit(1)) is not None


def list_unrouted(connection: Connection, limit: int) -> list[Notice]:
    """Notices that are not routed yet, oldest first."""
    query = sa.select(*COLUMNS).where(notices.c.routed_at.is_(None)).order_by(notices.c.at, notices.c.id).limit(limit)
    return [Notice(*row) for row in connection.execute(query)]


def complete(connection: Connection, notice: Notice) -> None:
    """Store severity and facts of a notice that was recorded before they were known."""
    values = {"severity": notice.severity, "facts": dict(notice.facts)}
    connection.execute(notices.update().where(notices.c.id == notice.id).values(values))


def mark_routed(connection: Connection, notice_ids: Collection[str]) -> set[str]:
    """Mark notices as routed.

    Returns:
        Those that no other process has routed before: the caller has to.
    """
    waiting: set[str] = set()
    for group in split_list(sorted(notice_ids)):
        unrouted = (notices.c.id.in_(group), notices.c.routed_at.is_(None))
        waiting |= set(connection.scalars(sa.select(notices.c.id).where(*unrouted)))
        connection.execute(notices.update().where(*unrouted).values(routed_at=time.time()))
    return waiting


def rules_noted_at(connection: Connection) -> float | None:
    """When a process that has rules was at work last, in seconds since 1970; None if none has been yet."""
    noted_ms = connection.scalar(sa.select(counters.c.value).where(counters.c.name == RULES_NOTED))
    return None if noted_ms is None else noted_ms / 1000


def note_rules(connection: Connection) -> None:
    """Note that a process that has rules is at work now."""
    now_ms = int(time.time() * 1000)
    noted = counters.update().where(counters.c.name == RULES_NOTED).values(value=now_ms)
    if not connection.execute(noted).rowcount:
        connection.execute(counters.insert().values(name=RULES_NOTED, value=now_ms))


def of_delivery(connection: Connection, delivery_id: str) -> Iterator[Notice]:
    """The notices that a delivery reports, oldest first, read as the caller takes them: there may be very many."""
    query = (
        sa.select(*COLUMNS)
        .join(delivery_notices, delivery_notices.c.notice_id == notices.c.id)
        .where(delivery_notices.c.delivery_id == delivery_id)
        .order_by(notices.c.at, notices.c.id)
    )
    for row in connection.execute(query.execution_options(yield_per=PAGE)):
        yield Notice(*row)


def is_any_reported(connection: Connection, delivery_id: str, severity: str) -> bool:
    """Whether a delivery reports a notice of this severity."""
    reported = sa.exists().where(
        delivery_notices.c.delivery_id == delivery_id,
        delivery_notices.c.notice_id == notices.c.id,
        notices.c.severity == severity,
    )
    return bool(connection.scalar(sa.select(reported)))


def prune(engine: Engine, before: float) -> int:
    """Delete notices that were recorded before this time and belong to no delivery; how many."""
    reported = sa.exists().where(delivery_notices.c.notice_id == notices.c.id)
    return delete_slices(engine, notices.c.id, notices.c.at < before, ~reported)
