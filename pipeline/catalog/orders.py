"""Orders: paths that a door has promised to take in; it is done after the answer, whatever dies meanwhile."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.schema import jobs, orders

__all__ = ["done", "pending", "place"]


def place(connection: Connection, job_id: str, request: dict[str, Any]) -> None:
    """Promise to take in what the request names."""
    connection.execute(orders.insert().values(job_id=job_id, request=request, created_at=time.time()))


def pending(connection: Connection) -> list[tuple[str, dict[str, Any]]]:
    """Orders that are not carried out, oldest first: (job, request). Those of cancelled jobs are left out."""
    rows = connection.execute(
        sa.select(orders.c.job_id, orders.c.request)
        .join(jobs, jobs.c.id == orders.c.job_id)
        .where(orders.c.taken_at.is_(None), jobs.c.cancelled_at.is_(None))
        .order_by(orders.c.created_at)
    )
    return [(row.job_id, row.request) for row in rows]


def done(connection: Connection, job_id: str) -> None:
    """All that the order names is taken in."""
    connection.execute(orders.update().where(orders.c.job_id == job_id).values(taken_at=time.time()))
