"""Whether a run of an entry is due: a function of the entry's last run and the time, without clock or catalog.

- Runs that were missed, however many, are made up by one.
- A run whose process has ended is begun again, and so is one that failed, `TRIES` times for one due time.
- A clock that was set forward makes an entry due once. One that was set back makes no run due again that was done; if
  it was set back by more than one period, the entry goes on from the new time, so that it does not wait for the old.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from pipeline.catalog.work.scheduled_runs import Run
from pipeline.schedule.cron import newest_due, next_after

__all__ = ["RETRY_S", "TRIES", "Begin", "GiveUp", "Step", "Wait", "decide", "next_run"]

TRIES = 3
"""Runs for one due time, at most."""

RETRY_S = 300.0
"""Time between the end of a run that failed and the next try."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a run for this due time: because it has come, because someone asks, or again after a run that failed."""

    due_at: float
    tries: int
    why: Literal["due", "asked", "again"]


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End a run for good: its process ended too often."""

    error: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Only note from which time on the entry is due."""

    due_at: float


Step = Begin | GiveUp | Wait


def decide(expression: str, run: Run, now: float, zone: tzinfo, *, lives: bool) -> Step | None:
    """What is to be done about an entry now.

    Args:
        expression: its cron expression; empty: it runs only if someone asks.
        run: its last run.
        now: the time.
        zone: the time zone of the expression.
        lives: whether the process of the last run lives and has not forgotten it.

    Returns:
        The step, or None if there is nothing to be done.
    """
    due = newest_due(expression, run.due_at, now, zone) if expression else None
    if run.state == "running":
        return None if lives else _after_death(run, due)
    if run.requested_at is not None:
        return Begin(run.due_at, 1, "asked")
    if due is not None:
        return Begin(due, 1, "due")
    if run.outcome == "failed" and run.tries < TRIES and not 0 <= now - (run.ended_at or 0.0) < RETRY_S:
        return Begin(run.due_at, run.tries + 1, "again")
    is_far = bool(expression) and run.due_at > next_after(expression, now, zone)
    return Wait(now) if is_far else None


def next_run(expression: str, run: Run | None, now: float, zone: tzinfo) -> float | None:
    """When the next run of an entry is due, as far as is known; None if it is switched off."""
    if not expression:
        return None
    return next_after(expression, now if run is None else max(now, run.due_at), zone)


def _after_death(run: Run, due: float | None) -> Step:
    """What is done about a run whose process has ended; `due`: a later time for which a run is due meanwhile."""
    if due is not None:
        return Begin(due, 1, "due")
    if run.tries < TRIES:
        return Begin(run.due_at, run.tries + 1, "again")
    return GiveUp(f"The process that ran it ended before the run did, {run.tries} times. The next run is tried again.")
