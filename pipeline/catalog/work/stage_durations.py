"""How long tasks took, by stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import tasks

__all__ = ["Durations", "measure_stages"]


class Durations(NamedTuple):
    """Tasks of a stage that ended: how many, the seconds that 50 and 95 of 100 took at most, and their sum.

    A task's seconds are those from its last start to its end.
    """

    tasks: int
    p50_s: float
    p95_s: float
    total_s: float


SECONDS = tasks.c.finished_at - tasks.c.started_at


def measure_stages(connection: Connection, where: Sequence[sa.ColumnElement[bool]]) -> dict[str, Durations]:
    """The durations of the tasks that meet the conditions and have ended, by stage in the order of the names."""
    ended = (tasks.c.state == "done", tasks.c.started_at.is_not(None), *where)
    query = sa.select(tasks.c.stage, sa.func.count(), sa.func.sum(SECONDS)).where(*ended).group_by(tasks.c.stage)
    found: dict[str, Durations] = {}
    for stage, number, total in sorted(tuple(row) for row in connection.execute(query)):
        of_stage = (*ended, tasks.c.stage == stage)
        p50_s, p95_s = (_quantile(connection, of_stage, number, share) for share in (0.5, 0.95))
        found[stage] = Durations(number, p50_s, p95_s, _seconds(total))
    return found


def _quantile(connection: Connection, where: Sequence[sa.ColumnElement[bool]], number: int, share: float) -> float:
    """The duration that this share of the tasks does not exceed: by the nearest rank."""
    place = max(math.ceil(share * number) - 1, 0)
    return _seconds(connection.scalar(sa.select(SECONDS).where(*where).order_by(SECONDS).offset(place).limit(1)))


def _seconds(value: float | None) -> float:
    # A clock that was set back between start and end.
    return round(max(value or 0.0, 0.0), 6)
