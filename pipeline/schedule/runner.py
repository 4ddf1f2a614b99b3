"""Running the schedule: a task that beat sends looks what is due, and a thread of the worker does each run.

The catalog keeps the last run of each entry and decides who gets the next: so it does not matter how many beats and
workers there are, or whether a message is lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import scheduled_runs
from pipeline.catalog.work.scheduled_runs import Run
from pipeline.engine.liveness import LivingRunners, node_of, sign_on
from pipeline.errors import PipelineError
from pipeline.gates_for_tests import SCHEDULED, pass_gate
from pipeline.retries import is_service_error
from pipeline.schedule.cron import local_zone
from pipeline.schedule.decision import Begin, Wait, decide
from pipeline.schedule.entries import ENTRIES, Entry, expression_of
from pipeline.schedule.failure_notice import end_trouble_of_switched_off, observe_end
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = ["perform", "run_due"]

log = structlog.get_logger()


class Threads:
    """The runs of this process, each in a thread that ends with it: no entry waits for another."""

    def __init__(self, _settings: Settings) -> None:
        self._by_name: dict[str, threading.Thread] = {}

    def has(self, name: str) -> bool:
        """Whether a run of this entry is under way here."""
        thread = self._by_name.get(name)
        return thread is not None and thread.is_alive()

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Begin the run of an entry."""
        thread = threading.Thread(target=work, name=f"schedule-{name}", daemon=True)
        thread.start()
        self._by_name[name] = thread


def run_due(services: Services, runner: str) -> list[str]:
    """Begin every run that is due.

    Args:
        services: those of this process.
        runner: the name of this process in claims.

    Returns:
        The names of the entries whose runs were begun.
    """
    living = sign_on(services.redis, runner)
    threads = services.singleton(Threads)
    end_trouble_of_switched_off(services)
    with services.catalog.connect() as connection:
        runs = scheduled_runs.list_all(connection)
    begun = []
    for entry in ENTRIES:
        seen = runs.get(entry.name) or _add(services, entry)
        try:
            run = claim(services, entry, seen, runner, lives=_lives(seen, runner, living, threads))
        except Exception as error:  # the entry of one row: the others are due all the same
            log.exception("schedule.not_begun", entry=entry.name, error=str(error))
            continue
        if run is not None:
            threads.start(entry.name, partial(perform, services, entry, run))
            begun.append(entry.name)
    return begun


def claim(services: Services, entry: Entry, seen: Run, runner: str, *, lives: bool) -> Run | None:
    """Claim the run of an entry for a process, if one is due.

    Args:
        services: those of the process.
        entry: the entry.
        seen: its last run, as it was read.
        runner: the name of the process.
        lives: whether the process of the last run lives.

    Returns:
        The run; None if none is due, or if another process has it.
    """
    step = decide(expression_of(entry, services.settings), seen, time.time(), local_zone(), lives=lives)
    if step is None:
        return None
    if isinstance(step, Begin) and step.why == "due" and not entry.is_wanted(services):
        step = Wait(step.due_at)
    with writing(services.catalog) as connection:
        if isinstance(step, Begin):
            return scheduled_runs.begin(connection, seen, runner, step.due_at, step.tries)
        if isinstance(step, Wait):
            scheduled_runs.set_due(connection, seen, step.due_at)
        else:
            log.error("schedule.given_up", entry=entry.name, error=step.error)
            if scheduled_runs.give_up(connection, seen, step.error):
                observe_end(connection, services.settings, entry, seen.tries, step.error)
    return None


def perform(services: Services, entry: Entry, run: Run) -> None:
    """Do a run that was claimed, and record how it ended."""
    log.info("schedule.begun", entry=entry.name, tries=run.tries)
    pass_gate(SCHEDULED + entry.name, str(run.runs), node_of(run.runner or ""))
    began = time.monotonic()
    error, result = None, None
    try:
        result = entry.run(services)
    except Exception as raised:  # the entry point of a thread: the list of entries shows the error
        known = isinstance(raised, PipelineError) or is_service_error(raised)
        error = str(raised) if known else f"{type(raised).__name__}: {raised}"
        log.error("schedule.failed", entry=entry.name, error=error, exc_info=None if known else raised)
    duration_s = time.monotonic() - began
    with writing(services.catalog) as connection:
        is_recorded = scheduled_runs.end(connection, run, duration_s, error, result)
        if is_recorded:
            observe_end(connection, services.settings, entry, run.tries, error)
    log.info("schedule.ended", entry=entry.name, seconds=round(duration_s, 3), recorded=is_recorded)


def _add(services: Services, entry: Entry) -> Run:
    """The entry, which is new: it is due from now on."""
    with writing(services.catalog) as connection:
        return scheduled_runs.add(connection, entry.name, time.time())


def _lives(run: Run, runner: str, living: LivingRunners, threads: Threads) -> bool:
    """Whether the process of a run lives and is at it; this one knows of its own runs whether they are."""
    return threads.has(run.name) if run.runner == runner else run.runner in living
