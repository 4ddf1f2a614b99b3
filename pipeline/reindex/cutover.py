"""When nothing new begins in a collection, because its readers are about to be switched, and for how long at most.

Readers are switched while nothing is under way. What is, comes to its end soon if nothing new begins; but a long
document may take an hour, and nobody else may wait for that. So a hold does not begin while something lasts, it is
short, and after one that was in vain others go first: for longer each time, as the holds get longer too.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace

import structlog

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import missing, reindexes
from pipeline.catalog.index.reindexes import Reindex
from pipeline.reindex.validation import NAMED
from pipeline.results import iso
from pipeline.services import Services

__all__ = ["HOLD_S", "LONG_S", "MOST_HOLD_S", "enter", "give_way", "is_far", "is_quiet", "may_hold", "may_switch"]

log = structlog.get_logger()

LONG_S = 60.0
"""What is at work for longer than this is not about to end."""

HOLD_S = 30.0
MOST_HOLD_S = 120.0
"""Nothing new begins in the collection for so long at most: the first time, and ever."""

PATIENCE_S = 900.0
"""For so long a switch waits for what lasts. Where something always does, it would never come: then it tries."""

MOST_PAUSE_S = 7200.0


def may_hold(services: Services, one: Reindex, live: str) -> bool:
    """Whether a hold may begin. If not, the status tells why; what happens meanwhile goes on."""
    now, number = time.time(), one.options.gave_way
    since = one.options.near_since or now
    pause_s = min(2 * HOLD_S * 2 ** (number - 1), MOST_PAUSE_S) if number else 0.0
    told = None
    if now < since + pause_s:
        told = f"It gave way to what was under way, {number} times, and tries again at {iso(since + pause_s)}."
    elif now < since + min(PATIENCE_S * 2**number, MOST_PAUSE_S):
        told = _what_takes_long(services, one, live, now - LONG_S)
    _note(services, one, since, told)
    return told is None


def is_far(services: Services, one: Reindex) -> None:
    """Much has come meanwhile: the patience with what is long at work begins anew when the index is near again."""
    if one.options.near_since:
        _note(services, one, 0.0, None)


def _what_takes_long(services: Services, one: Reindex, live: str, before: float) -> str | None:
    with services.catalog.connect() as connection:
        found = reindexes.long_at_work(connection, live, one.job_id, before)
    if not found:
        return None
    sources = ", ".join(found[:NAMED]) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
    return f"The switch waits for the end of what is at work for more than {LONG_S:.0f} s: {sources}."


def _note(services: Services, one: Reindex, since: float, told: str | None) -> None:
    """Tell why it waits. What stumbled has a message of its own."""
    if told == one.message and since == one.options.near_since:
        return
    with writing(services.catalog) as connection:
        now = reindexes.get(connection, one.id)
        if now.state == one.state and not now.stumbles:
            options = asdict(replace(now.options, near_since=since))
            reindexes.change(connection, one.id, message=told, options=options)


def give_way(services: Services, one: Reindex, state: str) -> None:
    """After a while that was in vain let others go on, and try again later."""
    number = one.options.gave_way
    if time.time() - one.entered_at <= min(HOLD_S * 2**number, MOST_HOLD_S):
        return
    log.warning("reindex.gave_way", times=number + 1)
    with writing(services.catalog) as connection:
        now = reindexes.get(connection, one.id)
        if now.state == one.state:
            options = asdict(replace(now.options, gave_way=number + 1, near_since=time.time()))
            reindexes.enter(connection, one.id, state, options=options)


def enter(services: Services, one: Reindex, state: str) -> None:
    """Go on to a state, unless somebody else did something meanwhile."""
    with writing(services.catalog) as connection:
        if reindexes.get(connection, one.id).state == one.state:
            reindexes.enter(connection, one.id, state)


def is_quiet(services: Services, one: Reindex, live: str, beside: str) -> bool:
    """Whether readers may be switched, asked without the lock."""
    with services.catalog.connect() as connection:
        return may_switch(connection, one, live, beside)


def may_switch(connection: Connection, one: Reindex, live: str, beside: str) -> bool:
    """Whether it is still in its state, and no document is on its way in one of the two indexes."""
    if reindexes.get(connection, one.id).state != one.state:
        return False
    if reindexes.in_flight(connection, live) or reindexes.busy(connection, one.job_id):
        return False
    lack = missing.lacking(connection, one.collection, beside)
    return not (lack["missing"] or lack["active"])
