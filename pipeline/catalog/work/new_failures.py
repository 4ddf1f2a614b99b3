"""Documents that failed since the last look: counted by code, and recorded as one notice, each failure once."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import counters, failures
from pipeline.catalog.work import notices

__all__ = ["NewFailures", "find", "record"]

SEEN_UNTIL = "failures_noticed"
"""Counter: failures up to this time, in milliseconds since 1970, are in a notice."""

EXAMPLES = 20

SKEW_MS = 60_000
"""A mark that is further in the future is that of a clock that was set back, and not that of another host."""


@dataclass(frozen=True, slots=True)
class NewFailures:
    """The failures after `after_ms` and up to `until_ms`; `after_ms` is None at the very first look.

    It is later than `until_ms` where the clock was set back since the last look: the next look begins at `until_ms`.
    """

    after_ms: int | None
    until_ms: int
    codes: dict[str, int]
    examples: list[dict[str, str]]

    @property
    def is_news(self) -> bool:
        """Whether there is anything to record: failures, or from when on the next look counts."""
        return bool(self.codes) or self.after_ms is None or self.after_ms > self.until_ms + SKEW_MS


def find(connection: Connection, until: float) -> NewFailures:
    """Count the failures since the last look; it needs no write lock.

    Args:
        connection: a connection that reads.
        until: seconds since 1970, at which every failure before has been committed.
    """
    after_ms, until_ms = _seen_until(connection), int(until * 1000)
    if after_ms is None or after_ms > until_ms + SKEW_MS:
        return NewFailures(after_ms, until_ms, {}, [])
    between = (failures.c.created_at > after_ms / 1000, failures.c.created_at <= until_ms / 1000)
    number = sa.func.count().label("number")
    query = sa.select(failures.c.code, number).where(*between).group_by(failures.c.code)
    codes = {row.code: row.number for row in connection.execute(query.order_by(number.desc(), failures.c.code))}
    columns = (failures.c.source, failures.c.collection, failures.c.code, failures.c.message)
    rows = connection.execute(sa.select(*columns).where(*between).order_by(failures.c.created_at).limit(EXAMPLES))
    return NewFailures(after_ms, until_ms, codes, [dict(row) for row in rows.mappings()] if codes else [])


def record(connection: Connection, found: NewFailures) -> bool:
    """Record a notice of these failures, unless another process has done it meanwhile.

    Returns:
        Whether the look counts.
    """
    if found.after_ms is None:
        if _seen_until(connection) is None:
            connection.execute(counters.insert().values(name=SEEN_UNTIL, value=found.until_ms))
        return True
    where = (counters.c.name == SEEN_UNTIL, counters.c.value == found.after_ms)
    if not connection.execute(counters.update().where(*where).values(value=found.until_ms)).rowcount:
        return False
    if not found.codes:
        return True
    facts = {"documents": sum(found.codes.values()), "codes": found.codes, "examples": found.examples}
    notices.add(connection, "documents.failed", "documents", "warning", facts)
    return True


def _seen_until(connection: Connection) -> int | None:
    return connection.scalar(sa.select(counters.c.value).where(counters.c.name == SEEN_UNTIL))
