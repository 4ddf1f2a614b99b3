"""`docrelay ingest`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.text import Text

from pipeline import stack
from pipeline.cli.following import Display, Manager, display, duration, follow, nothing, paced
from pipeline.cli.output import FAILED, INTERRUPTED, command, note, out, plain, print_json
from pipeline.intake import take_in
from pipeline.results import JobStatus
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.submission import Request, find, open_job
from pipeline.task_manager import TaskManager

__all__ = ["exit_code", "interrupted", "run", "summary", "tell"]

SHOWN_FAILURES = 20


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
                take_in(services, job_id, found, tell_taken(manager, job_id, show))
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


def exit_code(status: JobStatus) -> int:
    """0 when all that was asked is done, or still under way; 1 when something failed or was cancelled."""
    return FAILED if status.failed or status.cancelled or status.state == "cancelled" else 0


def summary(manager: Manager, status: JobStatus, seconds: float) -> dict[str, Any]:
    """What a job came to, for programs."""
    outcomes = ("completed", "unchanged", "failed", "cancelled")
    return {
        "job": status.id,
        "state": status.state,
        "collection": status.collection,
        "documents": status.documents,
        **{name: getattr(status, name) for name in outcomes},
        "chunks": status.chunks,
        "embedded": status.stages.chunks_embedded.done - status.stages.chunks_cached,
        "cached": status.stages.chunks_cached,
        "seconds": round(seconds, 3),
        "failures": manager.failed_in(status.id),
    }


def tell(report: dict[str, Any], status: JobStatus) -> None:
    """The same for a person."""
    if not status.ended:
        out.print(
            f"{report['documents']} documents are taken in. Follow them with: {command(f'status {status.id} --follow')}"
        )
        return
    parts = [f"{report[name]} {name}" for name in ("completed", "unchanged", "failed", "cancelled") if report[name]]
    out.print(
        f"{report['documents']} documents: {', '.join(parts) or 'nothing to do'}; "
        f"{report['chunks']} chunks in {duration(report['seconds'])}."
    )
    for failure in report["failures"][:SHOWN_FAILURES]:
        out.print(Text.assemble(("  ", ""), (failure["code"], "bold"), f"  {plain(failure['source'])}"))
        out.print(Text(f"      {plain(failure['message'])} {failure['hint']}"))
    if report["failed"] > SHOWN_FAILURES:
        out.print(f"  … and {report['failed'] - SHOWN_FAILURES} more: {command('failures list')}")


def interrupted(manager: Manager, job_id: str, found: int = 0) -> int:
    """Say how to go on with a job that nobody waits for any more; `found` is how many files it was to have.

    Returns:
        The exit code.
    """
    status = manager.job(job_id)
    ended = status.documents - sum(status.active.values())
    note(
        f"This command has stopped. {ended} of {max(found, status.documents)} documents are done, and nothing is lost."
    )
    if status.documents < found:
        note(f"{found - status.documents} files were not read yet: run the same command again to take them in.")
    note("A stack that docrelay up holds goes on with it; otherwise it waits for the next command.")
    note(f"Go on with: {command(f'status {job_id} --follow')}   Give it up with: {command(f'cancel {job_id}')}")
    return INTERRUPTED
