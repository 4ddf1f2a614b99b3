"""Waiting for a run of the schedule that was asked for; if it does not begin, the part that is missing is named."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.cli.output import note

if TYPE_CHECKING:
    from pipeline.results import HealthReport, ScheduledEntry

__all__ = ["Controls", "wait_for_run"]

POLL_S = 0.2

BEGINS_WITHIN_S = 60.0
"""A run that has not begun by then is looked into, and again after as long."""

NEEDED = ("broker", "catalog", "beat", "workers.store")
"""Parts without which no run begins."""


@dataclass(frozen=True)
class Controls:
    """What is done on the server, or on the stack of this machine.

    request  asks for a run of the entry with this name
    find     finds the entry
    examine  says how each part of the system is
    """

    request: Callable[[str], ScheduledEntry]
    find: Callable[[str], ScheduledEntry]
    examine: Callable[[], HealthReport]


def wait_for_run(controls: Controls, name: str, begins_within_s: float = BEGINS_WITHIN_S) -> ScheduledEntry:
    """Ask for a run, and wait for its end, or for that of the one under way.

    Raises:
        StackUnavailable: it does not begin, since a part of the system is missing.
    """
    entry, waits_since = controls.request(name), time.monotonic()
    while entry.state != "idle":
        if entry.state == "requested" and time.monotonic() - waits_since >= begins_within_s:
            _explain(controls.examine(), name)
            waits_since = time.monotonic()
        time.sleep(POLL_S)
        entry = controls.find(name)
    return entry


def _explain(report: HealthReport, name: str) -> None:
    """Say why a run has not begun yet. Raises StackUnavailable: it cannot begin."""
    from pipeline.errors import StackUnavailable

    missing = [part for part in report.parts if part.name in NEEDED and part.state == "failed"]
    if missing:
        causes = " ".join(f"{part.name}: {part.cause}" for part in missing)
        message = f"The run of {name} does not begin. {causes}"
        raise StackUnavailable(message, f"{missing[0].hint} The run is asked for, and begins by itself then.")
    note(f"The run of {name} has not begun: the store worker is at a long task, after which it does.")
