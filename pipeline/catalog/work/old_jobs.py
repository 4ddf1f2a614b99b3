"""Jobs of which nothing is left: no document is as one of them made it, and none of their failures is open."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import (
    attempts,
    documents,
    failures,
    jobs,
    orders,
    reindexes,
    shadows,
    submissions,
)
from pipeline.catalog.database.slices import delete_slices

__all__ = ["delete_old"]

JOBS_AT_ONCE = 100


def delete_old(engine: Engine, before: float) -> int:
    """Delete the jobs that ended before this time and of which nothing is left, with their lists of documents.

    The attempts stay: they are the history of documents.

    Returns:
        How many jobs were deleted.
    """
    deleted = 0
    while True:
        with engine.connect() as connection:
            found = _list_old(connection, before)
        for job_id in found:
            # Many rows first, some at a time: where this ends in the middle, the next run goes on.
            delete_slices(engine, submissions.c.document_id, submissions.c.job_id == job_id)
            with writing(engine, durable=False) as connection:
                connection.execute(orders.delete().where(orders.c.job_id == job_id))
                deleted += connection.execute(jobs.delete().where(jobs.c.id == job_id)).rowcount
        if len(found) < JOBS_AT_ONCE:
            return deleted


def _list_old(connection: Connection, before: float) -> list[str]:
    has_failure = sa.exists().where(failures.c.job_id == jobs.c.id)
    is_reindex = sa.exists().where(reindexes.c.job_id == jobs.c.id)
    made = sa.exists().where(attempts.c.job_id == jobs.c.id, sa.or_(_made_document(), _made_shadow()))
    query = sa.select(jobs.c.id).where(jobs.c.finished_at < before, ~has_failure, ~is_reindex, ~made)
    return list(connection.scalars(query.limit(JOBS_AT_ONCE)))


def _made_document() -> sa.ColumnElement[bool]:
    """The condition that an attempt is the last one of its document, or made what readers see of it."""
    is_last = sa.or_(documents.c.attempt_id == attempts.c.id, documents.c.live_version_id == attempts.c.version_id)
    return sa.exists().where(documents.c.id == attempts.c.document_id, is_last)


def _made_shadow() -> sa.ColumnElement[bool]:
    """The same in the indexes beside the live one."""
    is_last = sa.or_(shadows.c.attempt_id == attempts.c.id, shadows.c.live_version_id == attempts.c.version_id)
    return sa.exists().where(shadows.c.document_id == attempts.c.document_id, is_last)
