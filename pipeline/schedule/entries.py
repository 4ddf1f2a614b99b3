"""What runs by the schedule, as readable data: the name of each entry, its setting, and its function."""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from pipeline.errors import UnknownId
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = ["ENTRIES", "Entry", "entry_of", "expression_of", "switched_off"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of periodic work.

    Args:
        name: it is stored, and never changes.
        description: what it does, in a few words.
        setting: the setting that holds its cron expression.
        function: a function of `Services` that returns what it did, or None; by name, as some are in rooms above.
        condition: a function of `Services` that decides at each due time whether there is a run; empty: always.
    """

    name: str
    description: str
    setting: str
    function: str
    condition: str = ""

    def run(self, services: Services) -> dict[str, Any] | None:
        """Do the work. Returns what was done. Raises whatever its function raises."""
        result: dict[str, Any] | None = resolve_name(self.function)(services)
        return result

    def is_wanted(self, services: Services) -> bool:
        """Whether its condition holds, if it has one."""
        return not self.condition or bool(resolve_name(self.condition)(services))


ENTRIES = (
    Entry(
        "metrics",
        "store the numbers of the days before",
        "schedule_metrics",
        "pipeline.schedule.daily_metrics:store_days",
    ),
    Entry(
        "clean_up",
        "remove files, rows and cached vectors that no document needs",
        "schedule_clean_up",
        "pipeline.ingest.cleanup:clean_up",
    ),
    Entry(
        "failures",
        "archive or purge old failures",
        "schedule_failures",
        "pipeline.dead_letters.old_failures:retire",
    ),
    Entry(
        "verify",
        "verify everything, every `verify_days`",
        "schedule_verify",
        "pipeline.verification.schedule:verify_everything",
        "pipeline.verification.schedule:is_due",
    ),
    Entry(
        "health",
        "check every part, as docrelay doctor does",
        "schedule_health",
        "pipeline.health.hourly:check_health",
    ),
    Entry(
        "expiry",
        "remove expired uploads, answers and keys",
        "schedule_expiry",
        "pipeline.ingest.expiry:expire",
    ),
)
"""In the order in which entries begin that are due at the same time."""


def entry_of(name: str) -> Entry:
    """The entry of this name. Raises UnknownId."""
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in ENTRIES)
    raise UnknownId(f"The schedule has no entry {name}.", f"There are: {names}.")


def expression_of(entry: Entry, settings: Settings) -> str:
    """The cron expression of an entry; empty if it is switched off."""
    return str(getattr(settings, entry.setting))


def switched_off(settings: Settings) -> set[str]:
    """The names of the entries that run only when a user asks for it."""
    return {entry.name for entry in ENTRIES if not expression_of(entry, settings)}
