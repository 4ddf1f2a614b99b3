"""The tasks that a reconciler sees: due or running, and how those that are lost become due again."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import batches, jobs, tasks
from pipeline.catalog.work.batches import plan_column
from pipeline.catalog.work.worker_deaths import SPARED, is_spared
from pipeline.plan import Plan

__all__ = ["OpenTask", "mark_republished", "open_tasks"]


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that is due or running, as the reconciler sees it; `revoked`: its documents were cancelled through it."""

    task_id: str
    batch_id: str
    stage: str
    part: int
    state: str
    runner: str | None
    starts: int
    spared: int
    since: float
    priority: int
    plan: Plan
    request_id: str
    revoked: bool = False


def open_tasks(connection: Connection, *, planned: bool = False) -> list[OpenTask]:
    """Every task of an active batch that is due or running, oldest first.

    `planned`: only those of workflows with steps of their own.
    """
    since = sa.func.coalesce(tasks.c.started_at, tasks.c.published_at)
    rows = connection.execute(
        sa.select(
            tasks.c.id.label("task_id"),
            *(tasks.c[name] for name in ("batch_id", "stage", "part", "state", "runner", "starts", "spared")),
            sa.case((since > tasks.c.published_at, since), else_=tasks.c.published_at).label("since"),
            batches.c.priority,
            plan_column(),
            jobs.c.request_id,
            tasks.c.revoked_at.is_not(None).label("revoked"),
        )
        .join(batches, batches.c.id == tasks.c.batch_id)
        .join(jobs, jobs.c.id == batches.c.job_id)
        .where(
            tasks.c.state.in_(("due", "running")),
            batches.c.state == "active",
            plan_column().is_not(None) if planned else sa.true(),
        )
        .order_by(tasks.c.published_at)
    )
    return [OpenTask(**{**row, "plan": Plan.from_json(row["plan"])}) for row in rows.mappings()]


def mark_republished(
    connection: Connection, lost: Iterable[OpenTask], alive: Container[str], most_spared: int = SPARED
) -> list[OpenTask]:
    """Make tasks due again that are in the state in which they were seen; the start counts if the process died.

    Returns:
        Those that were: the others have been claimed or have ended meanwhile.
    """
    return [task for task in lost if _make_due(connection, task, alive, most_spared)]


def _make_due(connection: Connection, seen: OpenTask, alive: Container[str], most_spared: int) -> bool:
    died = seen.state == "running" and seen.runner not in alive
    counted = seen.state == "due" or died
    values = {
        "state": "due",
        "runner": None,
        "published_at": time.time(),
        "starts": tasks.c.starts - int(not counted),
        "spared": tasks.c.spared + int(died and is_spared(seen.stage, seen.runner, alive, seen.spared, most_spared)),
    }
    changed = connection.execute(
        tasks.update()
        .where(
            tasks.c.id == seen.task_id,
            tasks.c.state == seen.state,
            tasks.c.runner.is_(None) if seen.runner is None else tasks.c.runner == seen.runner,
        )
        .values(values)
    )
    return bool(changed.rowcount)
