"""`docrelay ingest`."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline import stack
from pipeline.cli.follow import Display, Manager, display, follow, nothing, paced
from pipeline.cli.outcome import exit_code, interrupted, summary, tell
from pipeline.cli.output import note, print_json
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.request import Request
from pipeline.ingest.submit import find, open_job
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

__all__ = ["run"]


def run(settings: Settings, request: Request, wait: bool, as_json: bool) -> int:
    """Ingest, wait unless told not to, and report.

    Returns:
        The exit code.
    """
    began = time.monotonic()
    found = find(Services(settings), request)
    with stack.connect(settings, say=None if as_json else note) as connected:
        services = Services(connected)
        manager = TaskManager(services)
        job_id = open_job(services, request, found)
        try:
            with display(quiet=as_json) as show:
                ingest_files(services, job_id, found, tell_taken(manager, job_id, show))
                status = follow(manager, job_id, show) if wait else manager.job(job_id)
        except KeyboardInterrupt:
            return interrupted(manager, job_id, len(found))
        report = summary(manager, status, time.monotonic() - began)
    if as_json:
        print_json(report)
    else:
        tell(report, status)
    return exit_code(status)


def tell_taken(manager: Manager, job_id: str, show: Display) -> Callable[[int], None] | None:
    """What intake calls on its way, if anybody watches."""
    return None if show is nothing else paced(lambda: show(manager.job(job_id)))
