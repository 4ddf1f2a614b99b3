"""Deliveries of the outbox that are due, and claiming them: each is claimed by one process at a time."""

from __future__ import annotations

import time
from collections.abc import Collection
from operator import attrgetter
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import deliveries, hooks

__all__ = ["LEASE_S", "OPEN", "PAGE", "Delivery", "Due", "claim", "list_due"]

OPEN = ("waiting", "sending")
LEASE_S = 60.0
"""A delivery that was begun and not ended is begun again after this time: its process died."""

PAGE = 2000
"""Rows that are read at once."""


class Due(NamedTuple):
    """A delivery that is due since a time, and its address; `of_rule`: it reports to an address of a rule."""

    id: str
    url: str
    due_at: float = 0.0
    of_rule: bool = False


class Delivery(NamedTuple):
    """One message to one address; `body` is None until it is sent for the first time.

    `rule` is the rule whose notices it reports; None where it reports the end of a job to a hook.
    """

    id: str
    job_id: str
    url: str
    secret: str
    tries: int
    body: str | None
    rule: str | None = None


def list_due(connection: Connection, after: Due | None = None, limit: int = PAGE) -> list[Due]:
    """Deliveries that are due, those due first at first; nothing is locked.

    Args:
        connection: the catalog.
        after: only those behind this one, in that order.
        limit: at most so many are read.
    """
    found = [due for state in OPEN for due in _due_in(connection, state, after, limit)]
    return sorted(found, key=attrgetter("due_at", "id"))[:limit]


def _due_in(connection: Connection, state: str, after: Due | None, limit: int) -> list[Due]:
    """Of one state, so that an index has their order: however many are due, no more than `limit` are read."""
    place = (deliveries.c.due_at, deliveries.c.id)
    query = (
        sa.select(deliveries.c.id, hooks.c.url, deliveries.c.due_at, hooks.c.rule.is_not(None))
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .where(deliveries.c.state == state, deliveries.c.due_at <= time.time())
    )
    if after is not None:
        is_behind = sa.or_(deliveries.c.due_at > after.due_at, deliveries.c.id > after.id)
        query = query.where(deliveries.c.due_at >= after.due_at, is_behind)
    return [Due(*row) for row in connection.execute(query.order_by(*place).limit(limit))]


def claim(connection: Connection, ids: Collection[str]) -> list[Delivery]:
    """Claim those of the deliveries that are due still, for the caller alone until their lease ends.

    Args:
        connection: a writing transaction.
        ids: as many as a process sends at once.
    """
    now = time.time()
    is_due = (deliveries.c.state.in_(OPEN), deliveries.c.due_at <= now)
    chosen = connection.scalars(sa.select(deliveries.c.id).where(deliveries.c.id.in_(ids), *is_due)).all()
    connection.execute(
        deliveries.update()
        .where(deliveries.c.id.in_(chosen))
        .values(state="sending", due_at=now + LEASE_S, tries=deliveries.c.tries + 1)
    )
    rows = connection.execute(
        sa.select(deliveries.c.id, deliveries.c.job_id, hooks.c.url, hooks.c.secret)
        .add_columns(deliveries.c.tries, deliveries.c.body, hooks.c.rule)
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .where(deliveries.c.id.in_(chosen))
    )
    return [Delivery(*row) for row in rows]
