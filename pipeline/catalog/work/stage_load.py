"""The open work by stage and priority: how much, and since when the oldest of it waits."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import batches, tasks

__all__ = ["StageLoad", "WaitingBatches", "stage_loads", "waiting_batches"]


class StageLoad(NamedTuple):
    """Tasks of a stage in admitted batches of a priority.

    `due` are not begun, and the oldest of them was published at `oldest_at`, in seconds since 1970; `running` are
    claimed by a worker.
    """

    stage: str
    priority: int
    due: int
    running: int
    oldest_at: float | None


class WaitingBatches(NamedTuple):
    """Batches of a priority that wait to be admitted, the oldest of them since `oldest_at`, seconds since 1970."""

    priority: int
    batches: int
    oldest_at: float


def stage_loads(connection: Connection) -> list[StageLoad]:
    """The open tasks of all stages, in the order of stage and priority; stages without any are left out."""
    is_due = tasks.c.state == "due"
    groups = (tasks.c.stage, batches.c.priority)
    query = (
        sa.select(
            *groups,
            sa.func.sum(sa.case((is_due, 1), else_=0)),
            sa.func.sum(sa.case((is_due, 0), else_=1)),
            sa.func.min(sa.case((is_due, tasks.c.published_at))),
        )
        .join(batches, batches.c.id == tasks.c.batch_id)
        .where(tasks.c.state.in_(("due", "running")), batches.c.state == "active")
        .group_by(*groups)
        .order_by(*groups)
    )
    return [
        StageLoad(stage, priority, int(due), int(running), oldest)
        for stage, priority, due, running, oldest in connection.execute(query)
    ]


def waiting_batches(connection: Connection) -> list[WaitingBatches]:
    """The batches that wait to be admitted, by priority."""
    query = (
        sa.select(batches.c.priority, sa.func.count(), sa.func.min(batches.c.created_at))
        .where(batches.c.state == "waiting")
        .group_by(batches.c.priority)
        .order_by(batches.c.priority)
    )
    return [WaitingBatches(*row) for row in connection.execute(query)]
