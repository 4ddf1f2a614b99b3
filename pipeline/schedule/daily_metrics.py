"""The entry `metrics`: store the numbers of every day that is over and whose numbers are not stored yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from datetime import time as time_of_day
from typing import Any

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import daily_metrics
from pipeline.catalog.work.daily_metrics import Day
from pipeline.schedule.cron import local_zone
from pipeline.services import Services

__all__ = ["days_between", "store_days"]

MOST_DAYS = 30
"""Days that are made up: events of earlier ones are not kept."""


def store_days(services: Services) -> dict[str, Any]:
    """Compute and store the numbers of the days before today; those after the last stored one are made up.

    Returns:
        The dates that were stored.
    """
    now = time.time()
    with services.catalog.connect() as connection:
        since = daily_metrics.stored_until(connection) or daily_metrics.first_event(connection) or now
    days = list(days_between(since, now, local_zone()))[-MOST_DAYS:]
    for day in days:
        with services.catalog.connect() as connection:
            numbers = daily_metrics.compute(connection, day)
        with writing(services.catalog) as connection:
            daily_metrics.store(connection, numbers)
    return {"days": [day.date for day in days]}


def days_between(since: float, until: float, zone: tzinfo) -> Iterator[Day]:
    """The whole days of local time from the one of `since` on that are over at `until`; some have 23 or 25 hours."""
    date = datetime.fromtimestamp(since, zone).date()
    while True:
        following = date + timedelta(days=1)
        start, end = (datetime.combine(day, time_of_day(), zone).timestamp() for day in (date, following))
        if end > until:
            return
        yield Day(date.isoformat(), start, end)
        date = following
