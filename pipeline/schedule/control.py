"""What entry points do with the schedule: list its entries with their last and next runs, ask for a run now."""

from __future__ import annotations

import time
from datetime import tzinfo

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import daily_metrics, scheduled_runs
from pipeline.catalog.work.scheduled_runs import Run
from pipeline.engine.celery_app import app_of, broker_priority
from pipeline.names import task_name
from pipeline.results import DailyMetrics, DailyMetricsList, LastRun, ScheduledEntry, ScheduleList, iso
from pipeline.schedule.cron import local_zone
from pipeline.schedule.decision import next_run
from pipeline.schedule.entries import ENTRIES, Entry, entry_of, expression_of
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = ["find_entry", "list_days", "list_entries", "request_run"]


def list_entries(services: Services) -> ScheduleList:
    """List all entries with their last and next runs."""
    with services.catalog.connect() as connection:
        runs = scheduled_runs.list_all(connection)
    zone = local_zone()
    entries = [_described(entry, services.settings, runs.get(entry.name), zone) for entry in ENTRIES]
    return ScheduleList(entries=entries, time_zone=str(zone))


def find_entry(services: Services, name: str) -> ScheduledEntry:
    """One entry. Raises UnknownId."""
    entry = entry_of(name)
    with services.catalog.connect() as connection:
        run = scheduled_runs.find(connection, entry.name)
    return _described(entry, services.settings, run, local_zone())


def request_run(services: Services, name: str) -> ScheduledEntry:
    """Ask for a run of an entry as soon as possible; one that is under way already is that run.

    Returns:
        The entry; its run is under way when `runs` has grown, and over when its state is idle then.

    Raises:
        UnknownId: there is no such entry.
    """
    entry = entry_of(name)
    with writing(services.catalog, urgent=True) as connection:
        scheduled_runs.request(connection, entry.name)
    # The request is in the catalog: without this message it is found when beat sends the next one.
    app_of(services).send_task(
        task_name("schedule"), priority=broker_priority(10, services.settings), ignore_result=True
    )
    return find_entry(services, name)


def list_days(services: Services, since: str = "", limit: int = 31) -> DailyMetricsList:
    """The numbers of days from this date (YYYY-MM-DD) on, the newest `limit` of them, oldest first."""
    with services.catalog.connect() as connection:
        rows = daily_metrics.list_days(connection, since, limit)
    return DailyMetricsList(days=[DailyMetrics.of(row) for row in rows])


def _described(entry: Entry, settings: Settings, run: Run | None, zone: tzinfo) -> ScheduledEntry:
    expression = expression_of(entry, settings)
    return ScheduledEntry(
        name=entry.name,
        description=entry.description,
        setting=entry.setting,
        expression=expression,
        state="requested" if run is not None and run.requested_at is not None else run.state if run else "idle",
        runs=run.runs if run is not None else 0,
        next_run=iso(next_run(expression, run, time.time(), zone)),
        last_run=_last_run(run) if run is not None and run.runs else None,
    )


def _last_run(run: Run) -> LastRun:
    """The last run; while one is under way, it has no end yet."""
    is_over = run.state == "idle"
    return LastRun(
        due=iso(run.due_at),
        started=iso(run.started_at),
        ended=iso(run.ended_at) if is_over else None,
        duration_s=round(run.duration_s, 3) if is_over and run.duration_s is not None else None,
        outcome=run.outcome if is_over else None,
        tries=run.tries,
        error=run.error if is_over else None,
        result=run.result if is_over else None,
    )
