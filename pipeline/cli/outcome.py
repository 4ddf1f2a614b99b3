"""The result of a job, as every command that waits for one reports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from pipeline.cli.follow import JobManager, duration
from pipeline.cli.output import FAILED, INTERRUPTED, command, note, out, plain, print_json, quantity, reread_command

if TYPE_CHECKING:
    from pipeline.results import JobStatus

__all__ = ["exit_code", "explain_interruption", "print_report", "summary", "with_refused"]

SHOWN_FAILURES = 20
"""So many failures are listed for a person at most."""


def exit_code(status: JobStatus) -> int:
    """The exit code for a job: 1 if a document failed or was cancelled, or the job was cancelled; else 0."""
    return FAILED if status.failed or status.cancelled or status.state == "cancelled" else 0


def summary(manager: JobManager, status: JobStatus, seconds: float) -> dict[str, Any]:
    """The report of a job for programs: the JSON document that the commands print."""
    from pipeline.results import IngestReport

    return IngestReport.of(status, manager.failed_in(status.id), seconds).model_dump()


def with_refused(report: dict[str, Any], refused: list[dict[str, Any]], noun: str = "file") -> dict[str, Any]:
    """The report of a job, with what was not sent or not accepted among its failures.

    Args:
        report: of the job.
        refused: for each of them its `name`, code, message and hint.
        noun: what they are.
    """
    if refused:
        note(f"Not sent or not taken: {quantity(len(refused), noun)}")
    failures = [{"source": refusal.pop("name"), **refusal} for refusal in refused]
    return {
        **report,
        "documents": report["documents"] + len(failures),
        "failed": report["failed"] + len(failures),
        "failures": [*report["failures"], *failures],
    }


def print_report(report: dict[str, Any], status: JobStatus, *, as_json: bool) -> None:
    """Print the `summary` of a job, as JSON or as sentences for a person."""
    if as_json:
        print_json(report)
    elif status.ended:
        _print_result(report, status)
    else:
        out.print(
            f"Taken in: {quantity(report['documents'], 'document')}. "
            f"Follow with: {command(f'status {status.id} --follow')}"
        )


def explain_interruption(manager: JobManager, job_id: str, files: int = 0) -> int:
    """Say how to go on with a job after Ctrl-C.

    Args:
        manager: knows the job.
        job_id: the job that the command waited for.
        files: how many files the job was to have; 0 if all are taken in.

    Returns:
        The exit code.
    """
    status = manager.job(job_id)
    ended = status.documents - sum(status.active.values())
    of_all = f"{ended} of {quantity(max(files, status.documents), 'document')}"
    note(f"This command has stopped. Done: {of_all}; nothing is lost.")
    if status.documents < files:
        unread_files = quantity(files - status.documents, "file")
        note(f"Not read yet: {unread_files}; run the same command again to take the rest in.")
    note("A stack that docrelay up holds goes on with it; otherwise it waits for the next command.")
    note(f"Go on with: {command(f'status {job_id} --follow')}   Give it up with: {command(f'cancel {job_id}')}")
    return INTERRUPTED


def _print_result(report: dict[str, Any], status: JobStatus) -> None:
    """Print the counts of a job that has ended, and its failures."""
    parts = [f"{report[name]} {name}" for name in ("completed", "unchanged", "failed", "cancelled") if report[name]]
    if report["incomplete"]:
        parts.insert(1, f"{report['incomplete']} of them incomplete")
    out.print(
        f"{quantity(report['documents'], 'document')}: {', '.join(parts) or 'nothing to do'}; "
        f"{quantity(report['chunks'], 'chunk')} in {duration(report['seconds'])}."
    )
    if report["incomplete"]:
        pages = f"{quantity(status.pages_failed, 'page')} could not be read. " if status.pages_failed else ""
        again = " Pages that OCR failed on are read again when the file is ingested again." if pages else ""
        out.print(
            f"{pages}Which documents are incomplete: {command('documents --incomplete')}; which part is missing: "
            f"{command('status ID')}.{again}"
        )
    if report["outdated"]:
        out.print(
            f"{quantity(report['outdated'], 'unchanged document')} were read by an earlier version of Docrelay; "
            f"to read them again: {reread_command(status.collection)}"
        )
    for failure in report["failures"][:SHOWN_FAILURES]:
        out.print(Text.assemble(("  ", ""), (failure["code"], "bold"), f"  {plain(failure['source'])}"))
        out.print(Text(f"      {plain(failure['message'])} {failure['hint']}"))
    if report["failed"] > SHOWN_FAILURES:
        out.print(f"  … and {report['failed'] - SHOWN_FAILURES} more: {command('failures list')}")
