"""Runs of the schedule's entries: one row for each entry, with its last run and the time for which that was.

A run belongs to the process that has claimed it. A claim compares `runs`, which grows with each, with what was read
before: of several processes that find the same run due, one gets it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import counters, scheduled

__all__ = ["LastEnd", "Run", "add", "begin", "end", "find", "give_up", "last_ends", "list_all", "request", "set_due"]

DONE = "schedule_done:"
"""Beginning of the names of counters: when a run of an entry was last done, in milliseconds since 1970."""


class Run(NamedTuple):
    """An entry with its last run; `runs` 0: there was none yet. Times are seconds since 1970.

    `due_at`: for which time the last run was. `state` is idle or running, `outcome` done, failed or lost (its process
    ended), `tries` counts the runs for this due time. `requested_at`: someone has asked for a run.
    """

    name: str
    due_at: float
    state: str = "idle"
    runs: int = 0
    tries: int = 0
    requested_at: float | None = None
    runner: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    duration_s: float | None = None
    outcome: str | None = None
    error: str | None = None
    result: dict[str, Any] | None = None


class LastEnd(NamedTuple):
    """When the last run of an entry ended, and the last one that was done (0.0: none was); in seconds since 1970.

    Both are whole milliseconds, and the same if the last run was done.
    """

    ended_at: float
    done_at: float


def list_all(connection: Connection) -> dict[str, Run]:
    """All entries that are known, by name."""
    return {row["name"]: Run(**row) for row in connection.execute(sa.select(scheduled)).mappings()}


def find(connection: Connection, name: str) -> Run | None:
    """One entry; None if it is not known yet."""
    row = connection.execute(sa.select(scheduled).where(scheduled.c.name == name)).mappings().one_or_none()
    return None if row is None else Run(**row)


def add(connection: Connection, name: str, due_at: float) -> Run:
    """Begin to know an entry: what was due up to this time is not made up. One that is known stays as it is."""
    run = find(connection, name)
    if run is None:
        run = Run(name, due_at)
        connection.execute(scheduled.insert().values(**run._asdict()))
    return run


def begin(connection: Connection, seen: Run, runner: str, due_at: float, tries: int) -> Run | None:
    """Claim a run of an entry for a process.

    Args:
        connection: a writing transaction.
        seen: the entry as it was when the run was found due.
        runner: the process.
        due_at: the time for which the run is.
        tries: runs for this time, with this one.

    Returns:
        The entry with the run, None if another process has claimed it, or the entry was changed otherwise.
    """
    values: dict[str, Any] = {
        "due_at": due_at,
        "state": "running",
        "runs": seen.runs + 1,
        "tries": tries,
        "requested_at": None,
        "runner": runner,
        "started_at": time.time(),
    }
    return seen._replace(**values) if _update(connection, seen, values) else None


def set_due(connection: Connection, seen: Run, due_at: float) -> bool:
    """Move the due time of an entry without a run; whether it was still as `seen`."""
    return _update(connection, seen, {"due_at": due_at})


def give_up(connection: Connection, seen: Run, error: str) -> bool:
    """End a run whose process is gone; whether the entry was still as `seen`."""
    return _update(connection, seen, {"state": "idle", "outcome": "lost", "error": error, "ended_at": time.time()})


def end(
    connection: Connection, run: Run, duration_s: float, error: str | None, result: Mapping[str, Any] | None
) -> bool:
    """Record the end of a run; whether it was still that of this process."""
    now = time.time()
    values = {
        "state": "idle",
        "ended_at": now,
        "duration_s": duration_s,
        "outcome": "done" if error is None else "failed",
        "error": error,
        "result": None if result is None else dict(result),
    }
    where = (scheduled.c.name == run.name, scheduled.c.runs == run.runs, scheduled.c.state == "running")
    is_ours = bool(connection.execute(scheduled.update().where(*where).values(values)).rowcount)
    if is_ours and error is None:
        connection.execute(counters.delete().where(counters.c.name == DONE + run.name))
        connection.execute(counters.insert().values(name=DONE + run.name, value=int(now * 1000)))
    return is_ours


def last_ends(connection: Connection) -> dict[str, LastEnd]:
    """When each entry that has run ended last, and was last done."""
    done_ms = sa.func.coalesce(counters.c.value, 0)
    query = (
        sa.select(scheduled.c.name, scheduled.c.ended_at, done_ms)
        .outerjoin(counters, counters.c.name == DONE + scheduled.c.name)
        .where(scheduled.c.ended_at.is_not(None))
    )
    return {
        name: LastEnd(int(ended_at * 1000) / 1000, done / 1000) for name, ended_at, done in connection.execute(query)
    }


def request(connection: Connection, name: str) -> None:
    """Ask for a run of an entry as soon as possible; one that runs already is that run."""
    add(connection, name, time.time())
    idle = scheduled.update().where(scheduled.c.name == name, scheduled.c.state == "idle")
    connection.execute(idle.values(requested_at=time.time()))


def _update(connection: Connection, seen: Run, values: Mapping[str, Any]) -> bool:
    """Change an entry if its run and its due time are still as seen."""
    where = (
        scheduled.c.name == seen.name,
        scheduled.c.runs == seen.runs,
        scheduled.c.due_at == seen.due_at,
        scheduled.c.state == seen.state,
    )
    return bool(connection.execute(scheduled.update().where(*where).values(values)).rowcount)
