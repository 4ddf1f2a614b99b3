"""Large files in the admission: they do not hold all processes that read while smaller files wait."""

from __future__ import annotations

import math
import time
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, batches, jobs, tasks

__all__ = ["LargeFiles", "RoomForLarge", "is_large", "room_for_large"]

READING = ("extract", "chunk")
"""Stages in which a large file holds a process for long."""

LOOK_AHEAD = 1000
"""Among so many of the youngest batches that wait a smaller one is looked for: the oldest ones of a long queue of large
files are large."""

INTAKE_BEGINS_S = 10.0
"""In its first seconds a job may take in smaller files after its first ones."""

MOST_BYTES = 2**62
"""No file has more."""


class LargeFiles(NamedTuple):
    """Files with more than `above` bytes: batches with one are read `at_once` at most while smaller ones may wait.

    So a process is free for small files, which pass the large ones.
    """

    above: int
    at_once: int


class RoomForLarge:
    """How many more batches with a large file may be chosen."""

    def __init__(self, above: int, left: float) -> None:
        self._above = above
        self._left = left

    @property
    def bounds(self) -> dict[str, Any]:
        """Values of the parameters of `_oldest`."""
        return {"above": self._above, "without_large": self._left < 1}

    def admits(self, is_large: bool) -> bool:
        """Whether a batch may be chosen; a large one takes a place."""
        if is_large and self._left < 1:
            return False
        self._left -= is_large
        return True


def room_for_large(connection: Connection, large: LargeFiles | None) -> RoomForLarge:
    """How many batches with a large file may be chosen now; None as `large` makes no difference between files."""
    if large is None:
        return RoomForLarge(MOST_BYTES, math.inf)
    left = large.at_once - (connection.scalar(_reading_large(), {"above": large.above}) or 0)
    bounds = {"above": large.above, "since": time.time() - INTAKE_BEGINS_S}
    may_small_ones_wait = connection.scalar(_is_small_waiting(), bounds) is not None
    return RoomForLarge(large.above, left if may_small_ones_wait else math.inf)


def is_large() -> sa.ColumnElement[bool]:
    """Whether the batch has a large file."""
    above = sa.bindparam("above", type_=sa.BigInteger)
    return sa.exists().where(attempts.c.batch_id == batches.c.id, attempts.c.size > above)


@cache
def _reading_large() -> sa.Select[Any]:
    """Count the batches with a large file that are being read, or are next."""
    reading = (tasks.c.batch_id == batches.c.id) & tasks.c.state.in_(("due", "running")) & tasks.c.stage.in_(READING)
    is_reading = sa.exists().where(reading)
    return sa.select(sa.func.count()).select_from(batches).where(batches.c.state == "active", is_reading, is_large())


@cache
def _is_small_waiting() -> sa.CompoundSelect[Any]:
    """An id if a batch without a large file waits, or may follow, as a job has just begun to take files in."""
    order = (batches.c.priority.desc(), batches.c.created_at.desc())  # an index has it
    youngest = sa.select(batches.c.id).where(batches.c.state == "waiting").order_by(*order).limit(LOOK_AHEAD)
    small = sa.select(batches.c.id).where(batches.c.id.in_(youngest), ~is_large())
    is_new = jobs.c.created_at > sa.bindparam("since", type_=sa.Double)
    coming = sa.select(jobs.c.id).where(jobs.c.finished_at.is_(None), jobs.c.intake_done.is_(False), is_new)
    return sa.union_all(small, coming).limit(1)
