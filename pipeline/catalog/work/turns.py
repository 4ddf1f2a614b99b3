"""Turns: of a large document only some tasks of a stage are due at once, the others are `held` until one of them ends.

So the queues never fill with the tasks of one document, and small documents pass it. What is outstanding is still the
set of the batch's tasks that are not done. A task in turn says so in its detail.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import batches, tasks
from pipeline.catalog.work.ledger import add_due, task_id

__all__ = ["IN_TURN", "add", "drop", "held_details", "is_any_held", "is_due", "pass_on", "resume", "seconds"]

IN_TURN = "in_turn"
"""Key in the detail of a task: when it ends, the next one of its stage becomes due, outside of any chord."""


def add(connection: Connection, batch_id: str, stage: str, details: Sequence[dict[str, Any]], share: int) -> None:
    """Add one task for each detail: all are due, or, if there are more than `share`, so many; the others are held."""
    if len(details) <= share:
        add_due(connection, [(batch_id, stage, part, detail) for part, detail in enumerate(details)])
        return
    in_turn = [(batch_id, stage, part, {**detail, IN_TURN: True}) for part, detail in enumerate(details)]
    add_due(connection, in_turn)
    beyond = (tasks.c.part >= share, tasks.c.state == "due", tasks.c.starts == 0)
    connection.execute(tasks.update().where(*_of(batch_id, stage), *beyond).values(state="held"))


def pass_on(connection: Connection, batch_id: str, stage: str) -> int | None:
    """Make the next held task of a stage due. Returns its part; None if none is held."""
    first = sa.select(sa.func.min(tasks.c.part)).where(*_of(batch_id, stage), tasks.c.state == "held")
    while (part := connection.scalar(first)) is not None:
        # Another process may have taken the same one.
        freed = tasks.update().where(tasks.c.id == task_id(batch_id, stage, part), tasks.c.state == "held")
        if connection.execute(freed.values(state="due", published_at=time.time())).rowcount:
            return int(part)
    return None


def held_details(connection: Connection, batch_id: str, stage: str) -> list[dict[str, Any]]:
    """The details of the held tasks of a stage, in their order."""
    query = sa.select(tasks.c.detail).where(*_of(batch_id, stage), tasks.c.state == "held").order_by(tasks.c.part)
    return list(connection.scalars(query))


def drop(connection: Connection, batch_id: str, stage: str) -> None:
    """Mark the held tasks of a stage as done: there is nothing left to do in them."""
    dropped = tasks.update().where(*_of(batch_id, stage), tasks.c.state == "held")
    connection.execute(dropped.values(state="done", finished_at=time.time()))


def seconds(connection: Connection, batch_id: str, stage: str, longest: float) -> float:
    """How long the tasks of a stage have worked that are done, in all.

    Args:
        connection: to the catalog.
        batch_id: the batch.
        stage: its stage.
        longest: seconds that one task may have worked: the clock of the machine may have been set meanwhile.
    """
    took = tasks.c.finished_at - tasks.c.started_at
    worked = sa.case((took < 0.0, 0.0), (took > longest, longest), else_=took)
    spent = sa.select(sa.func.sum(worked)).where(*_of(batch_id, stage))
    return float(connection.scalar(spent.where(tasks.c.state == "done")) or 0.0)


def is_due(connection: Connection, batch_id: str, stage: str) -> bool:
    """Whether the first task of a stage waits to be started."""
    query = sa.select(tasks.c.state).where(tasks.c.id == task_id(batch_id, stage))
    return connection.scalar(query) == "due"


def is_any_held(connection: Connection) -> bool:
    """Whether any document takes turns."""
    return connection.scalar(sa.select(tasks.c.id).where(tasks.c.state == "held").limit(1)) is not None


def resume(connection: Connection) -> int:
    """Pass the turn on where no task of the stage is left to do so: its process died at that moment.

    Returns:
        How many tasks became due; the reconciler publishes them.
    """
    others = tasks.alias("others")
    goes_on = sa.exists().where(
        others.c.batch_id == tasks.c.batch_id, others.c.stage == tasks.c.stage, others.c.state.in_(("due", "running"))
    )
    query = (
        sa.select(tasks.c.batch_id, tasks.c.stage)
        .join(batches, batches.c.id == tasks.c.batch_id)
        .where(tasks.c.state == "held", batches.c.state == "active", ~goes_on)
        .distinct()
    )
    stopped = connection.execute(query).all()
    return sum(pass_on(connection, row.batch_id, row.stage) is not None for row in stopped)


def _of(batch_id: str, stage: str) -> tuple[sa.ColumnElement[bool], ...]:
    return tasks.c.batch_id == batch_id, tasks.c.stage == stage
