"""Deliveries of the outbox that are due, and claiming them: each is claimed by one process at a time."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import deliveries, hooks

__all__ = ["LEASE_S", "OPEN", "Delivery", "Due", "claim", "list_due"]

OPEN = ("waiting", "sending")
LEASE_S = 60.0
"""A delivery that was begun and not ended is begun again after this time: its process died."""

PAGE = 500
"""Rows that are read at once."""


class Due(NamedTuple):
    """A delivery that is due, and its address."""

    id: str
    url: str


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


def list_due(connection: Connection, *, of_rules: bool) -> Iterator[Due]:
    """Deliveries that are due, those due first at first. They are read as the caller takes them, without a write lock.

    Args:
        connection: the catalog; it stays open as long as the caller takes.
        of_rules: those that report to the addresses of rules, else those of jobs to hooks.
    """
    kind = hooks.c.rule.is_not(None) if of_rules else hooks.c.rule.is_(None)
    query = (
        sa.select(deliveries.c.id, hooks.c.url)
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .where(deliveries.c.state.in_(OPEN), deliveries.c.due_at <= time.time(), kind)
        .order_by(deliveries.c.due_at, deliveries.c.id)
    )
    for row in connection.execute(query.execution_options(yield_per=PAGE)):
        yield Due(*row)


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
