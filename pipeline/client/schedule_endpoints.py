"""The endpoints of the schedule as functions that make their requests: see `endpoints`."""

from __future__ import annotations

from urllib.parse import quote

from pipeline.client.request import Request
from pipeline.results import DailyMetrics, DailyMetricsList, ScheduledEntry, ScheduleList

__all__ = ["daily_metrics", "run_schedule", "schedule"]


def schedule() -> Request[ScheduleList]:
    """The entries of the schedule, with their last and next runs."""
    return Request("GET", "/v1/schedule", lambda response: ScheduleList.model_validate(response.json()))


def run_schedule(name: str) -> Request[ScheduledEntry]:
    """Ask for a run of an entry as soon as possible; one that is under way already is that run."""
    path = f"/v1/schedule/{quote(name, safe='')}/run"
    return Request("POST", path, lambda response: ScheduledEntry.model_validate(response.json()))


def daily_metrics(since: str | None = None, limit: int = 31) -> Request[list[DailyMetrics]]:
    """The numbers of the newest days, oldest first; `since`: only from this date on, YYYY-MM-DD."""
    params = {"since": since, "limit": limit}
    return Request(
        "GET", "/v1/metrics/daily", lambda response: DailyMetricsList.model_validate(response.json()).days, params
    )
