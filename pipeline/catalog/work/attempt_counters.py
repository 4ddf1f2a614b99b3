"""Counters of attempts: pages and chunks, done and in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.bulk_update import update_each
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, versions

__all__ = [
    "CHUNKED",
    "add",
    "count_embedded",
    "set_chunks",
    "set_pages",
    "subtract_chunks",
]

CHUNKED = (
    ("pages_done", attempts.c.pages_total),
    ("chunks_embedded", 0),
    ("chunks_cached", 0),
    ("chunks_upserted", 0),
)
"""Values of the counters after a document is cut into chunks, however often that is done."""


def add(connection: Connection, amounts: Mapping[str, Mapping[str, int]], batch_id: str | None = None) -> None:
    """Add to the counters of attempts: {attempt id: {column: amount}}; only of those that this batch still carries."""
    update_each(connection, attempts, amounts, None if batch_id is None else {"batch_id": batch_id}, add=True)


def count_embedded(connection: Connection, job_ids: Sequence[str]) -> int:
    """Count the chunks that these jobs have embedded; those whose vector was in the cache are left out."""
    number = sa.func.sum(attempts.c.chunks_embedded - attempts.c.chunks_cached)
    groups = split_list(job_ids)
    return sum(int(connection.scalar(sa.select(number).where(attempts.c.job_id.in_(ids))) or 0) for ids in groups)


def set_pages(connection: Connection, pages: Mapping[str, Mapping[str, int]]) -> None:
    """Write pages_total, pages_done and pages_scanned of attempts; writing them twice changes nothing."""
    update_each(connection, attempts, pages)


def set_chunks(connection: Connection, totals: Mapping[str, int]) -> None:
    """Write how many chunks attempts have; what was embedded and upserted of them starts at none."""
    changes = {attempt_id: {"chunks_total": total} for attempt_id, total in totals.items()}
    update_each(connection, attempts, changes, same=CHUNKED)


def subtract_chunks(connection: Connection, amounts: Mapping[str, int], batch_id: str) -> None:
    """Subtract chunks that a stage has left out from these attempts: {attempt id: number}."""
    for attempt_id, number in amounts.items():
        is_in_batch = (attempts.c.id == attempt_id) & (attempts.c.batch_id == batch_id)
        if number:
            fewer = attempts.update().where(is_in_batch).values(chunks_total=attempts.c.chunks_total - number)
            connection.execute(fewer)
            version = sa.select(attempts.c.version_id).where(is_in_batch).scalar_subquery()
            connection.execute(
                versions.update().where(versions.c.id == version).values(chunks=versions.c.chunks - number)
            )
