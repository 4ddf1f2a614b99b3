"""Conditions: trouble that lasts, such as a full disk. It is reported once when it begins, and once when it is over.

`step` decides over plain data. Trouble that comes and goes is reported once until it has stayed away for a while.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import conditions, delivery_notices
from pipeline.catalog.database.schema import notices as notices_table
from pipeline.catalog.work import notices

__all__ = ["Condition", "Edge", "Key", "Observation", "Timing", "any_reported_lasts", "list_all", "observe", "step"]

Edge = Literal["raised", "cleared"]


class Key(NamedTuple):
    """Which condition: an event, and what it is about."""

    event: str
    subject: str


@dataclass(frozen=True, slots=True)
class Timing:
    """How long trouble must last before it is reported, and stay away before it counts as over; in seconds."""

    raise_after_s: float = 0.0
    clear_after_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Condition:
    """Trouble as it is known: since when, whether it was reported, since when it is away (None while it is there)."""

    since: float
    raised: bool = False
    absent_since: float | None = None
    severity: str = "warning"
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen just now: whether the trouble is there, and what its report says.

    `forgotten`: no one can say any more whether it is there. It ends without a report.
    """

    event: str
    subject: str
    present: bool
    severity: str = "warning"
    facts: Mapping[str, Any] = field(default_factory=dict)
    forgotten: bool = False

    @property
    def key(self) -> Key:
        """The condition that it is about."""
        return Key(self.event, self.subject)


def step(
    before: Condition | None, seen: Observation, now: float, timing: Timing
) -> tuple[Condition | None, Edge | None]:
    """What is known after an observation (None: no trouble), and what is to be reported.

    Args:
        before: what was known; None if there was no trouble.
        seen: the observation.
        now: seconds since 1970. A clock that was set back makes times of the future: they count as now.
        timing: how long the trouble must be there, or away.
    """
    if seen.present:
        since = now if before is None else min(before.since, now)
        if before is not None and before.raised:
            return replace(before, since=since, absent_since=None), None
        raised = now - since >= timing.raise_after_s
        return Condition(since, raised, None, seen.severity, seen.facts), "raised" if raised else None
    if before is None or not before.raised or seen.forgotten:
        return None, None
    absent_since = now if before.absent_since is None else min(before.absent_since, now)
    if now - absent_since >= timing.clear_after_s:
        return None, "cleared"
    return replace(before, absent_since=absent_since), None


def list_all(connection: Connection) -> dict[Key, Condition]:
    """Every condition that is known."""
    return {
        Key(row.event, row.subject): Condition(row.since, row.raised, row.absent_since, row.severity, row.facts)
        for row in connection.execute(sa.select(conditions))
    }


def any_reported_lasts(connection: Connection, delivery_id: str) -> bool:
    """Whether trouble whose beginning a delivery reports is not over yet."""
    reported = notices_table.join(delivery_notices, delivery_notices.c.notice_id == notices_table.c.id)
    began = (
        sa.exists()
        .select_from(reported)
        .where(
            delivery_notices.c.delivery_id == delivery_id,
            ~notices_table.c.cleared,
            notices_table.c.event == conditions.c.event,
            notices_table.c.subject == conditions.c.subject,
            notices_table.c.at >= conditions.c.since,
        )
    )
    return connection.scalar(sa.select(conditions.c.event).where(conditions.c.raised, began).limit(1)) is not None


def observe(connection: Connection, observations: Iterable[Observation], timing: Timing) -> None:
    """Store what was seen, and record notices of what has begun or is over.

    Args:
        connection: a writing transaction, of which there is one at a time: so nothing is reported twice.
        observations: each of another condition.
        timing: the same for all.
    """
    known, now = list_all(connection), time.time()
    for seen in observations:
        before = known.get(seen.key)
        after, edge = step(before, seen, now, timing)
        if after != before:
            _store(connection, seen.key, after)
        if edge is not None and (about := after or before) is not None:
            notices.add(connection, *seen.key, about.severity, about.facts, cleared=edge == "cleared")


def _store(connection: Connection, key: Key, condition: Condition | None) -> None:
    where = (conditions.c.event == key.event, conditions.c.subject == key.subject)
    connection.execute(conditions.delete().where(*where))
    if condition is not None:
        values = {
            "since": condition.since,
            "raised": condition.raised,
            "absent_since": condition.absent_since,
            "severity": condition.severity,
            "facts": dict(condition.facts),
        }
        connection.execute(conditions.insert().values(**key._asdict(), **values))
