"""Results of the last checks: the comparison of counts, the whole verification, and the write of a health check."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import checks
from pipeline.results import CollectionDrift, DriftStatus, iso

__all__ = ["COUNTS", "VERIFY", "WRITTEN", "counts", "drift", "last", "store"]

COUNTS, VERIFY, WRITTEN = "counts", "verify", "written"
"""Names of the checks; `written` says when a check of health has last written to the catalog."""


def store(connection: Connection, name: str, result: Mapping[str, Any]) -> None:
    """Keep the result of a check in place of the one before."""
    connection.execute(checks.delete().where(checks.c.name == name))
    connection.execute(checks.insert(), {"name": name, "at": time.time(), "result": dict(result)})


def last(connection: Connection, name: str) -> tuple[float, dict[str, Any]] | None:
    """When a check was made last, in seconds since 1970, and its result; None if it never was."""
    row = connection.execute(sa.select(checks).where(checks.c.name == name)).one_or_none()
    return None if row is None else (row.at, row.result)


def counts(connection: Connection) -> list[CollectionDrift]:
    """The collections that had another number of points than the catalog says when they were compared last."""
    counted = last(connection, COUNTS)
    return [CollectionDrift(**found) for found in (counted[1]["collections"] if counted else ())]


def drift(connection: Connection) -> DriftStatus:
    """What the last checks have found and is not known to be mended."""
    counted, verified = last(connection, COUNTS), last(connection, VERIFY)
    return DriftStatus(
        counted_at=iso(counted[0]) if counted else None,
        collections=counts(connection),
        verified_at=iso(verified[0]) if verified else None,
        left=verified[1]["left"] if verified else {},
        unfinished=verified[1].get("unfinished", 0) if verified else 0,
    )
