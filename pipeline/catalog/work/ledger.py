"""The ledger of tasks: which tasks of a batch are due, running or done. It decides; messages in the broker only notify.

A task is `due` (to be started), `running` (in the process `runner`) or `done`. A batch is `waiting` (not admitted),
`active`, `done` or `cancelled`. Task ids are derived from (batch, stage, part) and are the Celery ids.

`starts` counts the deaths of processes: a start counts until the task is given back or its process is found to live
on without it. A task that is claimed has so many deaths behind it as `starts` says, less this start. `spared` of them
are not held against it: its whole worker died, see `worker_deaths`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import batches, jobs, tasks
from pipeline.catalog.database.slices import delete_slices
from pipeline.catalog.work.batches import plan_column
from pipeline.catalog.work.worker_deaths import SPARED, is_spared
from pipeline.plan import Plan

__all__ = [
    "Claim",
    "add_due",
    "claim",
    "count_unfinished",
    "finish",
    "has_stage",
    "is_open",
    "is_running",
    "prune",
    "release",
    "task_id",
]

NAMESPACE = uuid.UUID("6f1f9d1e-6b0c-5c57-9a6f-0d1a7c0e9b11")

# Every task executes these while other processes wait for the write lock, and so they are composed once.
_TASK: sa.ColumnElement[bool] = tasks.c.id == sa.bindparam("task")
_NOW: sa.BindParameter[float] = sa.bindparam("now")
_ON: sa.BindParameter[str] = sa.bindparam("on")
STARTED = (
    tasks.update()
    .where(_TASK)
    .values(
        state="running",
        runner=_ON,
        starts=sa.bindparam("starts_now"),
        spared=sa.bindparam("spared_now"),
        started_at=_NOW,
    )
)
DONE = (
    tasks.update()
    .where(_TASK, tasks.c.state == "running", tasks.c.runner == _ON)
    .values(state="done", finished_at=_NOW)
)
ADDED = tasks.insert().values(
    job_id=sa.select(batches.c.job_id).where(batches.c.id == sa.bindparam("of_batch")).scalar_subquery()
)
KNOWN = sa.select(tasks.c.id).where(tasks.c.id.in_(sa.bindparam("names", expanding=True)))
OUTSTANDING = sa.select(sa.func.count()).where(
    tasks.c.batch_id == sa.bindparam("batch"),
    tasks.c.stage.in_(sa.bindparam("stages", expanding=True)),
    tasks.c.state != "done",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do one task, held by one process; `starts` counts this start and those in which one died.

    `spared`: how many of those are not held against it.
    `last_try`: it is not tried again, even after a transient error.
    """

    task_id: str
    batch_id: str
    stage: str
    part: int
    starts: int
    detail: dict[str, Any]
    job_id: str
    priority: int
    plan: Plan
    request_id: str
    spared: int = 0
    last_try: bool = False

    @property
    def counted_starts(self) -> int:
        """The starts that count towards `max_starts`."""
        return self.starts - self.spared


def task_id(batch_id: str, stage: str, part: int = 0) -> str:
    """The id of a task, the same whenever and wherever it is computed."""
    return str(uuid.uuid5(NAMESPACE, f"{batch_id}/{stage}/{part}"))


def add_due(connection: Connection, due: Iterable[tuple[str, str, int, dict[str, Any] | None]]) -> None:
    """Add tasks that are due: (batch, stage, part, detail). A task that is known already stays as it is."""
    now = time.time()
    rows = [
        {
            "id": task_id(batch_id, stage, part),
            "batch_id": batch_id,
            "of_batch": batch_id,
            "stage": stage,
            "part": part,
            "state": "due",
            "starts": 0,
            "published_at": now,
            "detail": detail or {},
        }
        for batch_id, stage, part, detail in due
    ]
    known: set[str] = set()
    for group in split_list(row["id"] for row in rows):
        known |= set(connection.scalars(KNOWN, {"names": group}))
    fresh = [row for row in rows if row["id"] not in known]
    if fresh:
        connection.execute(ADDED, fresh)


def claim(
    connection: Connection, task_id: str, runner: str, alive: Container[str], most_spared: int = SPARED
) -> Claim | None:
    """Start a task; None if it is done, a living process holds it, or its batch has ended.

    Args:
        connection: the catalog.
        task_id: the task.
        runner: the process that claims it. It does not hold the task already.
        alive: the runners that live.
        most_spared: how many deaths of its whole worker the task is spared.
    """
    row = connection.execute(_open_task(), {"task": task_id}).one_or_none()
    if row is None or (row.state == "running" and row.runner != runner and row.runner in alive):
        return None
    # A process that claims a task which it holds already has lost its claim by an error, and did not die.
    held = row.state == "running" and row.runner == runner
    died = row.state == "running" and not held
    starts = row.starts + int(not held)
    spared = row.spared + int(died and is_spared(row.stage, row.runner, alive, row.spared, most_spared))
    values = {"task": task_id, "on": runner, "now": time.time(), "starts_now": starts, "spared_now": spared}
    connection.execute(STARTED, values)
    return _claim_of(row, starts, spared)


def _claim_of(row: Any, starts: int, spared: int) -> Claim:
    return Claim(
        task_id=row.id,
        batch_id=row.batch_id,
        stage=row.stage,
        part=row.part,
        starts=starts,
        detail=row.detail,
        job_id=row.job_id,
        priority=row.priority,
        plan=Plan.from_json(row.plan),
        request_id=row.request_id,
        spared=spared,
    )


def is_running(connection: Connection, task_id: str) -> bool:
    """Whether a process holds the task."""
    running = sa.select(tasks.c.id).where(_TASK, tasks.c.state == "running")
    return connection.scalar(running, {"task": task_id}) is not None


@cache
def _open_task() -> sa.Select[Any]:
    return (
        sa.select(tasks, batches.c.job_id, batches.c.priority, plan_column(), jobs.c.request_id)
        .join(batches, batches.c.id == tasks.c.batch_id)
        .join(jobs, jobs.c.id == batches.c.job_id)
        .where(tasks.c.id == sa.bindparam("task"), tasks.c.state != "done", batches.c.state == "active")
        .with_for_update(of=tasks)
    )


def is_open(connection: Connection, task_id: str) -> bool:
    """Whether the task is not done, and its batch has not ended."""
    open_task = sa.select(tasks.c.id).join(batches, batches.c.id == tasks.c.batch_id)
    open_task = open_task.where(_TASK, tasks.c.state != "done", batches.c.state == "active")
    return connection.scalar(open_task, {"task": task_id}) is not None


def finish(connection: Connection, task_id: str, runner: str) -> bool:
    """Commit a task by compare-and-set; False when this runner no longer holds it."""
    ended = connection.execute(DONE, {"task": task_id, "on": runner, "now": time.time()})
    return bool(ended.rowcount)


def release(connection: Connection, task_id: str, runner: str, *, counts: bool = False) -> None:
    """Give a running task back, to be started again. `counts`: this start counts as if its process had died."""
    connection.execute(
        tasks.update()
        .where(tasks.c.id == task_id, tasks.c.state == "running", tasks.c.runner == runner)
        .values(state="due", runner=None, starts=tasks.c.starts - int(not counts), published_at=time.time())
    )


def count_unfinished(connection: Connection, batch_id: str, stages: Sequence[str]) -> int:
    """Count the tasks of these stages that are not done yet in a batch."""
    return connection.scalar(OUTSTANDING, {"batch": batch_id, "stages": list(stages)}) or 0


def has_stage(connection: Connection, batch_id: str, stage: str) -> bool:
    """Whether the batch has tasks of this stage, done or not."""
    query = sa.select(tasks.c.id).where(tasks.c.batch_id == batch_id, tasks.c.stage == stage).limit(1)
    return connection.scalar(query) is not None


def prune(engine: Engine, before: float) -> int:
    """Delete the tasks of batches that were done before this time; how many."""
    # By the key of each task's batch: a list of all batches that were ever done would be made for each slice.
    is_done = sa.exists().where(
        batches.c.id == tasks.c.batch_id, batches.c.state == "done", batches.c.finished_at < before
    )
    return delete_slices(engine, tasks.c.id, is_done)
