"""What has ended since a moment: completed documents with their chunks, and failures by code."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempt_errors, attempts

__all__ = ["count_completed", "count_failed"]


def count_completed(connection: Connection, moments: Mapping[str, float]) -> dict[str, tuple[int, int]]:
    """Completed attempts, and the chunks of their documents, since each of these moments, by the moments' names."""
    columns = []
    for moment in moments.values():
        is_since = attempts.c.finished_at >= moment
        columns += [
            sa.func.coalesce(sa.func.sum(sa.case((is_since, 1), else_=0)), 0),
            sa.func.coalesce(sa.func.sum(sa.case((is_since, attempts.c.chunks_total), else_=0)), 0),
        ]
    query = sa.select(*columns).where(attempts.c.state == "completed", attempts.c.finished_at >= min(moments.values()))
    numbers = [int(number) for number in connection.execute(query).one()]
    return dict(zip(moments, zip(numbers[::2], numbers[1::2], strict=True), strict=True))


def count_failed(connection: Connection, moments: Mapping[str, float]) -> dict[str, dict[str, int]]:
    """Failures by code since each of these moments: of attempts, and of files that were refused."""
    columns = [
        sa.func.sum(sa.case((attempt_errors.c.at >= moment, 1), else_=0)).label(f"n{place}")
        for place, moment in enumerate(moments.values())
    ]
    query = (
        sa.select(attempt_errors.c.code, *columns)
        .where(attempt_errors.c.kind == "failed", attempt_errors.c.at >= min(moments.values()))
        .group_by(attempt_errors.c.code)
    )
    rows = [(row[0], row[1:]) for row in connection.execute(query)]
    return {
        name: {code: int(numbers[place]) for code, numbers in rows if numbers[place]}
        for place, name in enumerate(moments)
    }
