"""What a job came to, told by every command that waits for one."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from pipeline.cli.follow import Manager, duration
from pipeline.cli.output import FAILED, INTERRUPTED, command, note, out, plain, several
from pipeline.results import IngestReport, JobStatus

__all__ = ["exit_code", "interrupted", "summary", "tell"]

SHOWN_FAILURES = 20


def exit_code(status: JobStatus) -> int:
    """0 when all that was asked is done, or still under way; 1 when something failed or was cancelled."""
    return FAILED if status.failed or status.cancelled or status.state == "cancelled" else 0


def summary(manager: Manager, status: JobStatus, seconds: float) -> dict[str, Any]:
    """What a job came to, for programs."""
    return IngestReport.of(status, manager.failed_in(status.id), seconds).model_dump()


def tell(report: dict[str, Any], status: JobStatus) -> None:
    """The same for a person."""
    if not status.ended:
        out.print(
            f"Taken in: {several(report['documents'], 'document')}. "
            f"Follow with: {command(f'status {status.id} --follow')}"
        )
        return
    parts = [f"{report[name]} {name}" for name in ("completed", "unchanged", "failed", "cancelled") if report[name]]
    out.print(
        f"{several(report['documents'], 'document')}: {', '.join(parts) or 'nothing to do'}; "
        f"{several(report['chunks'], 'chunk')} in {duration(report['seconds'])}."
    )
    if status.pages_failed:
        out.print(
            f"{several(status.pages_failed, 'page')} could not be read; what OCR failed on is tried again when the "
            "file is ingested again. A document's warnings: docrelay status ID"
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
    of_all = f"{ended} of {several(max(found, status.documents), 'document')}"
    note(f"This command has stopped. Done: {of_all}; nothing is lost.")
    if status.documents < found:
        unread = several(found - status.documents, "file")
        note(f"Not read yet: {unread}; run the same command again to take the rest in.")
    note("A stack that docrelay up holds goes on with it; otherwise it waits for the next command.")
    note(f"Go on with: {command(f'status {job_id} --follow')}   Give it up with: {command(f'cancel {job_id}')}")
    return INTERRUPTED
