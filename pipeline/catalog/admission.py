"""Which waiting batches workers get next: the most urgent first, and of no job so many that others stand behind it.

What waits here costs nothing and can still be overtaken, so no more goes to the workers than keeps them busy: files
that are read long before anybody can embed their chunks only take the processor from who does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.ledger import add_due
from pipeline.catalog.reindexes import HOLDING
from pipeline.catalog.schema import batches, jobs, reindexes, tasks

__all__ = ["MOST_ACTIVE", "admit", "choose"]

MOST_ACTIVE = 192
"""Batches in the hands of workers at once, of all jobs: more of them would only fill the broker."""

PAGE = 64

MORE_THAN_ANY = 11
"""Above the highest priority."""

SHARED = ("extract", "chunk", "embed", "upsert", "finalize")
"""Stages that every document passes: whoever comes waits for what is due there, and for no other."""


class _Shared(NamedTuple):
    """A batch that is in a shared stage, and how many of its tasks wait for a worker."""

    job_id: str
    priority: int
    due: int


def admit(connection: Connection, window: int, most_due: int, first_stage: str) -> list[str]:
    """Admit what `choose` finds; the first stage of each batch is due.

    Returns:
        The admitted batches, most urgent first.
    """
    chosen = choose(connection, window, most_due)
    if chosen:
        connection.execute(
            batches.update().where(batches.c.id.in_(chosen)).values(state="active", admitted_at=time.time())
        )
        add_due(connection, [(batch_id, first_stage, 0, None) for batch_id in chosen])
    return chosen


def choose(connection: Connection, window: int, most_due: int) -> list[str]:
    """Batches that workers may have now, most urgent first; nothing is written.

    Of equal urgency a job with nothing in work goes before those that have something, then age decides. A document
    that only OCR or a stage of its own workflow has in hands is not in work in this sense: it may be there for hours.

    Args:
        connection: the catalog.
        window: active batches of one job at most.
        most_due: so many tasks may wait for a worker, of batches that are as urgent or more so.
    """
    chosen: list[str] = []
    urgency = _next_urgency(connection, MORE_THAN_ANY)
    if urgency is None:
        return chosen
    active, shared = _active(connection), _shared(connection)
    in_work = Counter(batch.job_id for batch in shared)
    rooms = [(in_work, 1), (active, window)], [(active, window)]
    while urgency is not None:
        before = sum(batch.due for batch in shared if batch.priority >= urgency) + len(chosen)
        most = len(chosen) + min(MOST_ACTIVE - active.total(), most_due - before)
        for room in rooms:
            for batch_id, job_id in _choose(connection, urgency, room, chosen, most):
                chosen.append(batch_id)
                active[job_id] += 1
                in_work[job_id] += 1
        if len(chosen) >= most:
            break
        urgency = _next_urgency(connection, urgency)
    return chosen


def _choose(
    connection: Connection, urgency: int, room: Sequence[tuple[Counter[str], int]], chosen: Sequence[str], most: int
) -> Iterator[tuple[str, str]]:
    """The oldest of this urgency with their jobs, up to `most` of all chosen ones; who takes one counts it at once.

    `room` counts batches by job, each with how many of a job there may be.
    """
    while (free := min(most - len(chosen), PAGE)) > 0:
        full = {job_id for busy, share in room for job_id, number in busy.items() if number >= share}
        here = {"urgency": urgency, "full": sorted(full), "chosen": chosen, "most": free}
        found = connection.execute(_oldest(), here).all()
        for batch_id, job_id in found:
            if all(busy[job_id] < share for busy, share in room):
                yield batch_id, job_id
        if len(found) < free:
            return


def _active(connection: Connection) -> Counter[str]:
    """Active batches by job."""
    query = sa.select(batches.c.job_id, sa.func.count()).where(batches.c.state == "active").group_by(batches.c.job_id)
    return Counter({row[0]: row[1] for row in connection.execute(query)})


def _shared(connection: Connection) -> list[_Shared]:
    """Active batches in a shared stage; a task that waits to be tried again keeps nobody else from working."""
    waits = (tasks.c.state == "due") & tasks.c.started_at.is_(None)
    query = (
        sa.select(batches.c.job_id, batches.c.priority, sa.func.sum(sa.case((waits, 1), else_=0)).label("due"))
        .join(tasks, tasks.c.batch_id == batches.c.id)
        .where(tasks.c.state.in_(("due", "running")), tasks.c.stage.in_(SHARED), batches.c.state == "active")
        .where(sa.or_(waits, tasks.c.state == "running"))
        .group_by(batches.c.id, batches.c.job_id, batches.c.priority)
    )
    return [_Shared(*row) for row in connection.execute(query)]


def _next_urgency(connection: Connection, below: int) -> int | None:
    """The highest priority below this one of which something waits."""
    query = sa.select(sa.func.max(batches.c.priority)).where(batches.c.state == "waiting", batches.c.priority < below)
    found: int | None = connection.scalar(query)
    return found


def _held() -> sa.ColumnElement[bool]:
    """Whether the batch's collection switches to another index: then only what the switch waits for begins in it."""
    return sa.exists().where(
        jobs.c.id == batches.c.job_id,
        reindexes.c.collection == jobs.c.collection,
        reindexes.c.state.in_(HOLDING),
        reindexes.c.job_id != batches.c.job_id,
    )


@cache
def _oldest() -> sa.Select[Any]:
    """Waiting batches of a priority with their jobs, the oldest first; those of full jobs are left out."""
    full: sa.BindParameter[Any] = sa.bindparam("full", expanding=True)
    chosen: sa.BindParameter[Any] = sa.bindparam("chosen", expanding=True)
    return (
        sa.select(batches.c.id, batches.c.job_id)
        .where(batches.c.state == "waiting", batches.c.priority == sa.bindparam("urgency", type_=sa.Integer))
        .where(batches.c.job_id.not_in(full), batches.c.id.not_in(chosen), ~_held())
        .order_by(batches.c.created_at)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
