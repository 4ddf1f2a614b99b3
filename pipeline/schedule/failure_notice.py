"""Periodic work that failed for good is trouble that rules of notifications may report, until the next run is done."""

from __future__ import annotations

from pipeline.catalog import Connection
from pipeline.catalog.work import conditions
from pipeline.catalog.work.conditions import Observation, Timing
from pipeline.schedule.decision import TRIES

__all__ = ["observe_end"]

AT_ONCE = Timing(raise_after_s=0.0, clear_after_s=0.0)


def observe_end(connection: Connection, name: str, tries: int, error: str | None) -> None:
    """Note how a run of an entry ended, in the transaction that records it.

    Args:
        connection: a writing transaction.
        name: the entry.
        tries: runs for this due time, with this one; one that is tried again is no trouble yet.
        error: why it failed; None if it is done.
    """
    if error is not None and tries < TRIES:
        return
    seen = Observation("schedule.failed", name, error is not None, "warning", {"message": error, "tries": tries})
    conditions.observe(connection, [seen], AT_ONCE)
