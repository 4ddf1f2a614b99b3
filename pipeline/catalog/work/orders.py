"""Orders: paths that the API has accepted and that are ingested after its answer, whichever process dies meanwhile."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import jobs, orders

__all__ = ["LONGEST_PAUSE_S", "Order", "add", "is_open", "list_due", "mark_done", "postpone"]

LONGEST_PAUSE_S = 600.0
"""No order is postponed for longer: one that seems to be was recorded before the clock was set back, and is due."""


class Order(NamedTuple):
    """Paths to ingest into a job; `tries` have failed."""

    job_id: str
    request: dict[str, Any]
    tries: int


def add(connection: Connection, job_id: str, request: dict[str, Any]) -> None:
    """Record an order to ingest what the request names."""
    connection.execute(orders.insert().values(_row(job_id, request)))


def list_due(connection: Connection) -> list[Order]:
    """Orders to be carried out now, oldest first. Those of cancelled jobs are left out."""
    now = time.time()
    is_due = sa.or_(orders.c.due_at <= now, orders.c.due_at > now + LONGEST_PAUSE_S)
    rows = connection.execute(
        sa.select(orders.c.job_id, orders.c.request, orders.c.tries)
        .join(jobs, jobs.c.id == orders.c.job_id)
        .where(orders.c.taken_at.is_(None), jobs.c.cancelled_at.is_(None), is_due)
        .order_by(orders.c.created_at)
    )
    return [Order(*row) for row in rows]


def is_open(connection: Connection, job_id: str) -> bool:
    """Whether the order of this job is still to be carried out: no process has done so since it was listed."""
    query = sa.select(orders.c.job_id).where(orders.c.job_id == job_id, orders.c.taken_at.is_(None))
    return connection.scalar(query) is not None


def postpone(connection: Connection, job_id: str, pause_s: float) -> None:
    """Postpone an order that failed: it is tried again after the pause, of at most `LONGEST_PAUSE_S`."""
    row = orders.update().where(orders.c.job_id == job_id)
    connection.execute(row.values(tries=orders.c.tries + 1, due_at=time.time() + pause_s))


def mark_done(connection: Connection, job_id: str) -> None:
    """Mark an order as done: everything that it names is ingested."""
    connection.execute(orders.update().where(orders.c.job_id == job_id).values(taken_at=time.time()))


def _row(job_id: str, request: dict[str, Any]) -> dict[str, Any]:
    now = time.time()
    return {"job_id": job_id, "request": request, "created_at": now, "tries": 0, "due_at": now}
