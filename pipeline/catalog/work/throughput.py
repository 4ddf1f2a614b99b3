"""Throughput of the last batches, from which the duration of a re-index is estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, batches, tasks

__all__ = ["Throughput", "of_last_batches"]


@dataclass(frozen=True, slots=True)
class Throughput:
    """Completed documents of some batches, their chunks, those of them from the vector cache, and seconds by stage."""

    documents: int
    chunks: int
    cached: int
    seconds: Mapping[str, float]


def of_last_batches(connection: Connection, limit: int) -> Throughput:
    """Sum up the batches that were done last, `limit` of them at most."""
    query = sa.select(batches.c.id).where(batches.c.state == "done").order_by(batches.c.finished_at.desc())
    batch_ids = connection.scalars(query.limit(limit)).all()
    spent = connection.execute(
        sa.select(tasks.c.stage, sa.func.sum(tasks.c.finished_at - tasks.c.started_at).label("seconds"))
        .where(tasks.c.batch_id.in_(batch_ids), tasks.c.state == "done", tasks.c.started_at.is_not(None))
        .group_by(tasks.c.stage)
    )
    sums = connection.execute(
        sa.select(
            sa.func.count().label("documents"),
            sa.func.coalesce(sa.func.sum(attempts.c.chunks_total), 0).label("chunks"),
            sa.func.coalesce(sa.func.sum(attempts.c.chunks_cached), 0).label("cached"),
        ).where(attempts.c.batch_id.in_(batch_ids), attempts.c.state == "completed")
    ).one()
    seconds = {row.stage: float(row.seconds) for row in spent}
    return Throughput(sums.documents, sums.chunks, sums.cached, seconds)
