"""Deleting many rows, some at a time: other writers go between, and none waits for all of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipeline.catalog.database.connection import writing

__all__ = ["delete_slices"]

ROWS = 1000
"""Rows that one transaction deletes: some milliseconds."""


def delete_slices(engine: Engine, key: sa.Column[Any], *conditions: sa.ColumnElement[bool]) -> int:
    """Delete the rows of a table that meet the conditions.

    Args:
        engine: the catalog.
        key: its primary key, or the part of it that the conditions leave open.
        conditions: what holds for the rows; they are looked for without the write lock.

    Returns:
        How many were deleted.
    """
    deleted = 0
    while True:
        with engine.connect() as connection:
            found = connection.scalars(sa.select(key).where(*conditions).limit(ROWS)).all()
        if found:
            with writing(engine, durable=False) as connection:
                deleted += connection.execute(sa.delete(key.table).where(key.in_(found), *conditions)).rowcount
        if len(found) < ROWS:
            return deleted
