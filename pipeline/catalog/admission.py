"""Which waiting batches workers get next: the most urgent first, and of no job so many that others stand behind it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.ledger import add_due
from pipeline.catalog.reindexes import HOLDING
from pipeline.catalog.schema import batches, jobs, reindexes

__all__ = ["admit", "may_admit"]

MOST_ACTIVE = 192
"""Batches in the hands of workers at once, of all jobs: more of them would only fill the broker."""

PAGE = 64


def may_admit(connection: Connection) -> bool:
    """Whether a batch waits for admission, and there is room; asked without the write lock."""
    waiting = sa.select(batches.c.id).where(batches.c.state == "waiting").limit(1)
    active = sa.select(sa.func.count()).where(batches.c.state == "active")
    return connection.scalar(waiting) is not None and (connection.scalar(active) or 0) < MOST_ACTIVE


def admit(connection: Connection, window: int, first_stage: str) -> list[str]:
    """Admit waiting batches, up to `window` active ones per job and `MOST_ACTIVE` in all; their first stage is due.

    Returns:
        The admitted batches, most urgent first.
    """
    counted = sa.select(batches.c.job_id, sa.func.count()).where(batches.c.state == "active")
    busy: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted.group_by(batches.c.job_id))}
    chosen: list[str] = []
    while (free := MOST_ACTIVE - sum(busy.values())) > 0:
        full = [job_id for job_id, number in busy.items() if number >= window]
        found = _oldest_waiting(connection, full, chosen, min(free, PAGE))
        for batch_id, job_id in found:
            if busy.get(job_id, 0) < window:
                busy[job_id] = busy.get(job_id, 0) + 1
                chosen.append(batch_id)
        if len(found) < min(free, PAGE):
            break
    if chosen:
        connection.execute(
            batches.update().where(batches.c.id.in_(chosen)).values(state="active", admitted_at=time.time())
        )
        add_due(connection, [(batch_id, first_stage, 0, None) for batch_id in chosen])
    return chosen


def _held() -> sa.ColumnElement[bool]:
    """Whether the batch's collection switches to another index: then only what the switch waits for begins in it."""
    return sa.exists().where(
        jobs.c.id == batches.c.job_id,
        reindexes.c.collection == jobs.c.collection,
        reindexes.c.state.in_(HOLDING),
        reindexes.c.job_id != batches.c.job_id,
    )


def _oldest_waiting(
    connection: Connection, full: Sequence[str], chosen: Sequence[str], limit: int
) -> list[tuple[str, str]]:
    """Waiting batches with their jobs, the most urgent and then the oldest first; those of full jobs are left out."""
    asked = {"full": list(full), "chosen": list(chosen), "most": limit}
    return [(row.id, row.job_id) for row in connection.execute(_oldest(), asked)]


@cache
def _oldest() -> sa.Select[Any]:
    full: sa.BindParameter[Any] = sa.bindparam("full", expanding=True)
    chosen: sa.BindParameter[Any] = sa.bindparam("chosen", expanding=True)
    return (
        sa.select(batches.c.id, batches.c.job_id)
        .where(batches.c.state == "waiting", batches.c.job_id.not_in(full), batches.c.id.not_in(chosen), ~_held())
        .order_by(batches.c.priority.desc(), batches.c.created_at)
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update(skip_locked=True)
    )
