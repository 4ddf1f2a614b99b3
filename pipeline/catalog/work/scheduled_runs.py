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

from pipeline.catalog.database.schema import scheduled

__all__ = ["Run", "add", "begin", "end", "find", "give_up", "list_all", "request", "set_due"]


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
    values = {
        "state": "idle",
        "ended_at": time.time(),
        "duration_s": duration_s,
        "outcome": "done" if error is None else "failed",
        "error": error,
        "result": None if result is None else dict(result),
    }
    where = (scheduled.c.name == run.name, scheduled.c.runs == run.runs, scheduled.c.state == "running")
    return bool(connection.execute(scheduled.update().where(*where).values(values)).rowcount)


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
