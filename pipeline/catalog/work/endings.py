"""How documents have ended since an event: for counters, which must count each end once."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, counters, events

__all__ = ["Ending", "counted_until", "list_endings", "newest_event", "store_counted"]

OUTCOMES = ("completed", "unchanged", "failed", "cancelled")
COUNTED = "ends_counted"
KINDS = {f"document.{outcome}": outcome for outcome in OUTCOMES}


class Ending(NamedTuple):
    """One end of a document in a job.

    `event` is the id of the event, `code` that of the failure, `seconds` the time since its attempt was recorded: None
    where it had no attempt, as intake refused it or found it unchanged.
    """

    event: int
    outcome: str
    code: str | None
    seconds: float | None


def newest_event(connection: Connection) -> int:
    """The id of the newest event of all; 0 if there is none."""
    return connection.scalar(sa.select(sa.func.max(events.c.id))) or 0


def list_endings(connection: Connection, after: int, until: int, limit: int) -> list[Ending]:
    """Ends whose events have ids above `after` and up to `until`, in their order, at most `limit`.

    Events get their ids in the order in which they are committed: none appears later below one that was read.
    """
    began = (
        sa.select(sa.func.max(attempts.c.created_at))
        .where(
            attempts.c.document_id == events.c.document_id,
            attempts.c.job_id == events.c.job_id,
            attempts.c.created_at <= events.c.at,
        )
        .scalar_subquery()
    )
    query = (
        sa.select(events.c.id, events.c.kind, events.c.data, (events.c.at - began).label("seconds"))
        .where(events.c.id > after, events.c.id <= until, events.c.kind.in_(KINDS))
        .order_by(events.c.id)
        .limit(limit)
    )
    return [
        Ending(row.id, KINDS[row.kind], (row.data or {}).get("code"), row.seconds) for row in connection.execute(query)
    ]


def counted_until(connection: Connection) -> int | None:
    """The id of the last event whose end was counted, as `store_counted` has kept it; None if it never has."""
    return connection.scalar(sa.select(counters.c.value).where(counters.c.name == COUNTED))


def store_counted(connection: Connection, event: int) -> None:
    """Keep the id of the last event whose end was counted."""
    if not connection.execute(counters.update().where(counters.c.name == COUNTED).values(value=event)).rowcount:
        connection.execute(counters.insert().values(name=COUNTED, value=event))
