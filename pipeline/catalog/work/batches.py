"""Batches: the documents that one canvas processes together.

A batch is `waiting` (not admitted), `active`, `done` or `cancelled`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, batches, jobs
from pipeline.plan import Plan

__all__ = [
    "add",
    "count_waiting",
    "create",
    "create_for_each",
    "finish",
    "move_attempts",
    "plan_column",
    "plan_of_version",
    "priority_and_plan",
    "raise_priority",
    "states",
]


def create(
    connection: Connection,
    job_id: str,
    priority: int,
    attempt_ids: Sequence[str],
    *,
    active: bool = False,
    plan: Plan | None = None,
) -> str:
    """Put attempts into a new batch, waiting for admission unless `active`; its plan is by default the job's."""
    batch_id = str(uuid.uuid4())
    add(connection, batch_id, job_id, priority, active=active, plan=plan)
    move_attempts(connection, attempt_ids, batch_id)
    return batch_id


def create_for_each(connection: Connection, job_id: str, priority: int, attempt_ids: Iterable[str], plan: Plan) -> None:
    """Move each attempt into a new batch of its own: it starts again there, when the batch is admitted."""
    for attempt_id in attempt_ids:
        create(connection, job_id, priority, [attempt_id], plan=plan)


def add(
    connection: Connection,
    batch_id: str,
    job_id: str,
    priority: int,
    *,
    active: bool = False,
    plan: Plan | None = None,
) -> None:
    """Record a batch whose attempts have its id already."""
    now = time.time()
    row = {
        "id": batch_id,
        "job_id": job_id,
        "plan": plan.to_json() if plan is not None else None,
        "priority": priority,
        "state": "active" if active else "waiting",
        "created_at": now,
        "admitted_at": now if active else None,
    }
    connection.execute(batches.insert(), row)


def raise_priority(connection: Connection, job_id: str, priority: int) -> None:
    """Raise the priority of the batches of a job that still wait to at least this one."""
    conditions = (batches.c.job_id == job_id, batches.c.state == "waiting", batches.c.priority < priority)
    connection.execute(batches.update().where(*conditions).values(priority=priority))


def priority_and_plan(connection: Connection, batch_id: str) -> tuple[int, Plan]:
    """A batch's priority (1 to 10) and the plan that it follows."""
    row = connection.execute(
        sa.select(batches.c.priority, plan_column())
        .join(jobs, jobs.c.id == batches.c.job_id)
        .where(batches.c.id == batch_id)
    ).one()
    return row.priority, Plan.from_json(row.plan)


def plan_of_version(connection: Connection, version_id: str) -> Plan:
    """The plan by which a version was made last, however its workflow has changed since."""
    query = (
        sa.select(plan_column())
        .select_from(attempts)
        .join(jobs, jobs.c.id == attempts.c.job_id)
        .outerjoin(batches, batches.c.id == attempts.c.batch_id)
        .where(attempts.c.version_id == version_id)
        .order_by(attempts.c.number.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return Plan.from_json(None if row is None else row.plan)


def count_waiting(connection: Connection) -> int:
    """Count the batches that wait for admission."""
    query = sa.select(sa.func.count()).select_from(batches).where(batches.c.state == "waiting")
    return connection.scalar(query) or 0


def states(connection: Connection, batch_ids: Collection[str]) -> dict[str, str]:
    """States of these batches by id; those that the catalog does not know are left out."""
    by_id: dict[str, str] = {}
    for group in split_list(batch_ids):
        rows = connection.execute(sa.select(batches.c.id, batches.c.state).where(batches.c.id.in_(group)))
        by_id |= {row.id: row.state for row in rows}
    return by_id


def finish(connection: Connection, batch_id: str) -> None:
    """Mark a batch as done; the rows of its tasks stay until the maintenance deletes them."""
    connection.execute(batches.update().where(batches.c.id == batch_id).values(state="done", finished_at=time.time()))


def plan_column() -> sa.Label[Any]:
    """The plan of a batch, which is by default that of its job; both tables are joined."""
    return sa.func.coalesce(batches.c.plan, jobs.c.plan).label("plan")


def move_attempts(connection: Connection, attempt_ids: Sequence[str], batch_id: str) -> None:
    """Put attempts into another batch, which is recorded already."""
    connection.execute(attempts.update().where(attempts.c.id.in_(attempt_ids)).values(batch_id=batch_id))
