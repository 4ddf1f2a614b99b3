"""Results about the schedule: its entries with their last and next runs, and the numbers of each day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field

from pipeline.results.base import Result

__all__ = ["DailyMetrics", "DailyMetricsList", "LastRun", "ScheduleList", "ScheduledEntry", "StageDurations"]


class LastRun(Result):
    """The last run of an entry; while it is under way it has neither end nor outcome.

    `due` is the time for which it was, `tries` counts the runs for that time. `outcome` is done, failed, or lost: its
    process ended before it did. `result` says what was done, `error` why it failed.
    """

    due: str | None
    started: str | None
    ended: str | None
    duration_s: float | None
    outcome: str | None
    tries: int
    error: str | None
    result: dict[str, Any] | None


class ScheduledEntry(Result):
    """An entry of the schedule. `state` is idle, requested or running; `runs` counts the runs that were begun.

    `expression` is the cron expression that `setting` holds, empty if the entry is switched off. `next_run` is None
    then; `last_run` is None as long as there was none.
    """

    name: str
    description: str
    setting: str
    expression: str
    state: str
    runs: int
    next_run: str | None
    last_run: LastRun | None


class ScheduleList(Result):
    """All entries of the schedule; their expressions are in this time zone."""

    entries: list[ScheduledEntry]
    time_zone: str


class StageDurations(Result):
    """How many tasks of a stage ended in a day, and the seconds that 50 and 95 of 100 of them took at most."""

    tasks: int
    p50_s: float
    p95_s: float


class DailyMetrics(Result):
    """The numbers of a day of local time.

    `documents` were completed and `unchanged` found unchanged; a document counts as often as it was ingested.
    `failures` are documents by code, `failed` is their sum. `chunks` and `pages_ocr` are those of the completed ones.
    """

    day: str
    documents: int
    unchanged: int
    failed: int
    failures: dict[str, int]
    chunks: int
    pages_ocr: int
    stages: dict[str, StageDurations]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The numbers of a day from its row in the catalog."""
        return cls(**{name: row[name] for name in cls.model_fields})


class DailyMetricsList(Result):
    """The numbers of days, oldest first."""

    days: list[DailyMetrics] = Field([])
