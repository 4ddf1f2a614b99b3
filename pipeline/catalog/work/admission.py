"""Which waiting batches workers get next: the most urgent first, and of no job so many that others stand behind it.

What waits here costs nothing and can still be overtaken, so no more goes to the workers than keeps them busy: files
that are read long before their chunks can be embedded only take the processor from the workers that embed.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import batches, jobs, reindexes, tasks
from pipeline.catalog.work.ledger import add_due

__all__ = ["MAX_ACTIVE", "MIN_DUE_PER_WORKER", "admit", "choose", "due_per_worker", "is_any_waiting"]

MIN_DUE_PER_WORKER = 8
"""Tasks that may be due for each worker that embeds, at least: seconds of work on a processor, enough for the next
batch to be read in."""

RECENT = 1000
"""So many tasks that ended last tell how long they take."""

MAX_ACTIVE = 192
"""Batches in the hands of workers at once, as urgent or more so, of all jobs: more would only fill the broker."""

PAGE = 64

MORE_THAN_ANY = 11
"""Above the highest priority."""

SHARED = ("extract", "chunk", "embed", "upsert", "finalize")
"""Stages that every document passes: what is due there comes before later documents."""

SWITCHING = ("switching", "switching_back")
"""States of a re-index in which nothing new begins in its collection."""


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


def due_per_worker(connection: Connection) -> int:
    """Tasks that may be due for each worker that embeds before no more is admitted.

    What is due lasts until the next batch is read, by how long that and embedding have lately taken; on one machine
    that is seldom more than the least.
    """
    took: dict[str, float] = {row.stage: row.took for row in connection.execute(_took())}
    reading, embedding = took.get("extract", 0.0) + took.get("chunk", 0.0), took.get("embed")
    return max(MIN_DUE_PER_WORKER, math.ceil(reading / embedding)) if embedding else MIN_DUE_PER_WORKER


def is_any_waiting(connection: Connection) -> bool:
    """Whether anything waits to be admitted."""
    return _next_urgency(connection, MORE_THAN_ANY) is not None


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
    active = [_Active(*row) for row in connection.execute(_active())]
    shared = [_Shared(*row) for row in connection.execute(_shared())]
    busy = Counter[str]()
    for job in active:
        busy[job.id] += job.batches
    in_work = Counter(batch.job_id for batch in shared)
    while urgency is not None:
        places = MAX_ACTIVE - sum(job.batches for job in active if job.priority >= urgency)
        room = most_due - sum(batch.due for batch in shared if batch.priority >= urgency)
        most = min(places, room)
        _choose(connection, urgency, (_Share(in_work, 1), _Share(busy, window)), chosen, most)
        if len(chosen) >= most:
            break
        urgency = _next_urgency(connection, urgency)
    return chosen


def _choose(connection: Connection, urgency: int, shares: tuple[_Share, _Share], chosen: list[str], most: int) -> None:
    """Choose the oldest of this urgency, up to `most` in all: first within both shares, then within the second."""
    tried: set[str] | None = None
    for within in (shares, shares[1:]):
        while (free := min(most - len(chosen), PAGE)) > 0 and (full := _full(within)) != tried:
            here = {"urgency": urgency, "full": sorted(full), "chosen": chosen, "most": free}
            found = connection.execute(_oldest(), here).all()
            for batch_id, job_id in found:
                if all(share.busy[job_id] < share.most for share in within):
                    chosen.append(batch_id)
                    for share in shares:
                        share.busy[job_id] += 1
            if len(found) < free:
                tried = _full(within)
                break


def _full(shares: Sequence[_Share]) -> set[str]:
    """Jobs that have no place left."""
    return {job_id for share in shares for job_id, number in share.busy.items() if number >= share.most}


class _Active(NamedTuple):
    """A job that workers have batches of a priority of, and how many."""

    id: str
    priority: int
    batches: int


class _Shared(NamedTuple):
    """A batch that is in a shared stage, and how many of its tasks wait for a worker."""

    job_id: str
    priority: int
    due: int


class _Share(NamedTuple):
    """Batches by job, and how many a job may have of them."""

    busy: Counter[str]
    most: int


@cache
def _active() -> sa.Select[Any]:
    here = (batches.c.job_id, batches.c.priority)
    return sa.select(*here, sa.func.count()).where(batches.c.state == "active").group_by(*here)


@cache
def _shared() -> sa.Select[Any]:
    """Active batches in a shared stage; a task that waits to be tried again keeps no other from working."""
    waiting = (tasks.c.state == "due") & tasks.c.started_at.is_(None)
    return (
        sa.select(batches.c.job_id, batches.c.priority, sa.func.sum(sa.case((waiting, 1), else_=0)))
        .join(tasks, tasks.c.batch_id == batches.c.id)
        .where(tasks.c.state.in_(("due", "running")), tasks.c.stage.in_(SHARED), batches.c.state == "active")
        .where(sa.or_(waiting, tasks.c.state == "running"))
        .group_by(batches.c.id, batches.c.job_id, batches.c.priority)
    )


@cache
def _took() -> sa.Select[Any]:
    """Seconds that a task of each stage has taken, of those that ended last."""
    last = (
        sa.select(tasks.c.stage, (tasks.c.finished_at - tasks.c.started_at).label("took"))
        .where(tasks.c.finished_at.is_not(None))
        .order_by(tasks.c.finished_at.desc())
        .limit(RECENT)
        .subquery()
    )
    return sa.select(last.c.stage, sa.func.avg(last.c.took).label("took")).group_by(last.c.stage)


@cache
def _urgencies() -> sa.Select[Any]:
    below = sa.bindparam("below", type_=sa.Integer)
    return sa.select(sa.func.max(batches.c.priority)).where(batches.c.state == "waiting", batches.c.priority < below)


def _next_urgency(connection: Connection, below: int) -> int | None:
    """The highest priority below this one of which something waits."""
    found: int | None = connection.scalar(_urgencies(), {"below": below})
    return found


def _held() -> sa.ColumnElement[bool]:
    """Whether the batch's collection switches to another index: then only what the switch waits for begins in it."""
    return sa.exists().where(
        jobs.c.id == batches.c.job_id,
        reindexes.c.collection == jobs.c.collection,
        reindexes.c.state.in_(SWITCHING),
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
