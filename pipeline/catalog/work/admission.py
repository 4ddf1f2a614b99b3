"""Admission: which waiting batches workers get next, by priority, with a share of the workers for each job.

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
from pipeline.catalog.work.large_files import LargeFiles, RoomForLarge, is_large, room_for_large
from pipeline.catalog.work.ledger import add_due

__all__ = ["MAX_ACTIVE", "MIN_DUE_PER_WORKER", "admit", "choose", "due_per_worker", "is_any_waiting"]

MIN_DUE_PER_WORKER = 8
"""Tasks that may be due for each worker that embeds, at least: seconds of work on a processor, enough for the next
batch to be read in."""

RECENT = 1000
"""The duration of tasks is measured on so many that ended last."""

MAX_ACTIVE = 192
"""Batches in the hands of workers at once, as urgent or more so, of all jobs: more would only fill the broker."""

PAGE = 64

MORE_THAN_ANY = 11
"""Above the highest priority."""

SHARED = ("extract", "chunk", "embed", "upsert", "finalize")
"""Stages that every document passes: what is due there comes before later documents."""

SWITCHING = ("switching", "switching_back")
"""States of a re-index in which nothing new begins in its collection."""


def admit(
    connection: Connection, window: int, max_due: int, first_stage: str, large: LargeFiles | None = None
) -> list[str]:
    """Admit the batches that `choose` returns; the first stage of each becomes due.

    Returns:
        The admitted batches, most urgent first.
    """
    chosen = choose(connection, window, max_due, large)
    if chosen:
        connection.execute(
            batches.update().where(batches.c.id.in_(chosen)).values(state="active", admitted_at=time.time())
        )
        add_due(connection, [(batch_id, first_stage, 0, None) for batch_id in chosen])
    return chosen


def due_per_worker(connection: Connection) -> int:
    """Tasks that may be due for each worker that embeds; with more, no batch is admitted.

    They last until the next batch is read, by how long reading and embedding have lately taken; on one machine that is
    seldom more than `MIN_DUE_PER_WORKER`.
    """
    seconds: dict[str, float] = {row.stage: row.took for row in connection.execute(_durations())}
    reading, embedding = seconds.get("extract", 0.0) + seconds.get("chunk", 0.0), seconds.get("embed")
    return max(MIN_DUE_PER_WORKER, math.ceil(reading / embedding)) if embedding else MIN_DUE_PER_WORKER


def is_any_waiting(connection: Connection) -> bool:
    """Whether a batch waits to be admitted."""
    return _next_urgency(connection, MORE_THAN_ANY) is not None


def choose(connection: Connection, window: int, max_due: int, large: LargeFiles | None = None) -> list[str]:
    """Batches that workers may have now, most urgent first; nothing is written.

    Of equal urgency a job with nothing in work goes before those that have something, then age decides. A document
    in OCR or in a stage of its own workflow is not in work in this sense: it may be there for hours.

    Args:
        connection: the catalog.
        window: active batches of one job at most.
        max_due: so many tasks may wait for a worker, of batches that are as urgent or more so.
        large: which files are large; None makes no difference between them.
    """
    chosen: list[str] = []
    urgency = _next_urgency(connection, MORE_THAN_ANY)
    if urgency is None:
        return chosen
    room = room_for_large(connection, large)
    active = [_Active(*row) for row in connection.execute(_active())]
    shared = [_Shared(*row) for row in connection.execute(_shared())]
    busy = Counter[str]()
    for job in active:
        busy[job.id] += job.batches
    in_work = Counter(batch.job_id for batch in shared)
    while urgency is not None:
        free_batches = MAX_ACTIVE - sum(job.batches for job in active if job.priority >= urgency)
        free_tasks = max_due - sum(batch.due for batch in shared if batch.priority >= urgency)
        limit = min(free_batches, free_tasks)
        _choose(connection, urgency, (_Share(in_work, 1), _Share(busy, window)), chosen, limit, room)
        if len(chosen) >= limit:
            break
        urgency = _next_urgency(connection, urgency)
    return chosen


def _choose(
    connection: Connection,
    urgency: int,
    shares: tuple[_Share, _Share],
    chosen: list[str],
    limit: int,
    room: RoomForLarge,
) -> None:
    """Choose the oldest of this urgency, up to `limit` in all: first within both shares, then within the second."""
    exhausted: set[str] | None = None
    for within in (shares, shares[1:]):
        while (free := min(limit - len(chosen), PAGE)) > 0 and (full := _full(within)) != exhausted:
            bounds = {"urgency": urgency, "full": sorted(full), "chosen": chosen, "limit": free, **room.bounds}
            rows = connection.execute(_oldest(), bounds).all()
            for batch_id, job_id, has_large in rows:
                if all(share.busy[job_id] < share.limit for share in within) and room.admits(has_large):
                    chosen.append(batch_id)
                    for share in shares:
                        share.busy[job_id] += 1
            if len(rows) < free:
                exhausted = _full(within)
                break


def _full(shares: Sequence[_Share]) -> set[str]:
    """Jobs that have used up a share."""
    return {job_id for share in shares for job_id, number in share.busy.items() if number >= share.limit}


class _Active(NamedTuple):
    """How many active batches of one priority a job has."""

    id: str
    priority: int
    batches: int


class _Shared(NamedTuple):
    """A batch that is in a shared stage, and how many of its tasks wait for a worker."""

    job_id: str
    priority: int
    due: int


class _Share(NamedTuple):
    """Batches in use by job, and how many a job may use."""

    busy: Counter[str]
    limit: int


@cache
def _active() -> sa.Select[Any]:
    keys = (batches.c.job_id, batches.c.priority)
    return sa.select(*keys, sa.func.count()).where(batches.c.state == "active").group_by(*keys)


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
def _durations() -> sa.Select[Any]:
    """Mean seconds of the tasks of each stage that ended last."""
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
    """The highest priority below this one that a waiting batch has; None if there is none."""
    priority: int | None = connection.scalar(_urgencies(), {"below": below})
    return priority


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
        sa.select(batches.c.id, batches.c.job_id, is_large().label("is_large"))
        .where(sa.or_(~sa.bindparam("without_large", type_=sa.Boolean), ~is_large()))
        .where(batches.c.state == "waiting", batches.c.priority == sa.bindparam("urgency", type_=sa.Integer))
        .where(batches.c.job_id.not_in(full), batches.c.id.not_in(chosen), ~_held())
        .order_by(batches.c.created_at)
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )
