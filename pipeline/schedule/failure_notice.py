"""Periodic work that failed for good is trouble that rules of notifications may report.

It is over with the next run that is done, or when the entry is switched off, as no run will be done then.
"""

from __future__ import annotations

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import conditions
from pipeline.catalog.work.conditions import Key, Observation, Timing
from pipeline.schedule.decision import TRIES
from pipeline.schedule.entries import Entry, expression_of, switched_off
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = ["end_trouble_of_switched_off", "observe_end"]

EVENT = "schedule.failed"
AT_ONCE = Timing(raise_after_s=0.0, clear_after_s=0.0)


def observe_end(connection: Connection, settings: Settings, entry: Entry, tries: int, error: str | None) -> None:
    """Note how a run of an entry ended, in the transaction that records it.

    Args:
        connection: a writing transaction.
        settings: say whether the entry is switched off: then a user has asked for this run, and sees how it ends.
        entry: the entry.
        tries: runs for this due time, with this one; one that is tried again is no trouble yet.
        error: why it failed; None if it is done.
    """
    if error is not None and (tries < TRIES or not expression_of(entry, settings)):
        return
    seen = Observation(EVENT, entry.name, error is not None, "warning", {"message": error, "tries": tries})
    conditions.observe(connection, [seen], AT_ONCE)


def end_trouble_of_switched_off(services: Services) -> None:
    """End the trouble of entries that are switched off; the catalog is written only if there is any."""
    off = switched_off(services.settings)
    if not off:
        return
    with services.catalog.connect() as connection:
        known = conditions.list_all(connection)
    over = [Observation(EVENT, name, present=False) for name in sorted(off) if Key(EVENT, name) in known]
    if over:
        with writing(services.catalog) as connection:
            conditions.observe(connection, over, AT_ONCE)
