"""`docrelay status`: show a job, a document, a task, or everything."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.connect import manager_of, services_of_running_stack, through_losses
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import command, out, plain, print_table, quantity, reread_command, show
from pipeline.errors import BadRequest
from pipeline.names import ANALYSER

if TYPE_CHECKING:
    from pipeline.cli.remote import RemoteManager
    from pipeline.results import DocumentStatus, DriftStatus, JobStatus, SystemStatus, TaskStatus, WatchedFolder
    from pipeline.settings import Settings
    from pipeline.task_manager import TaskManager

__all__ = ["status"]

SENTENCES = {"missing": "Not in the text:", "warnings": "Warnings:", "page_warnings": "How pages were read:"}
"""Fields of a document that hold sentences, with the heading under which they are printed."""


def status(
    context: typer.Context,
    any_id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="A job, a document or a task; nothing for everything.", show_default=False),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends; resumes it too.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Show a job, a document, a task, or everything."""
    settings = settings_of(context, data_dir, server)
    if follow:
        raise typer.Exit(_follow(settings, any_id, json))
    if settings.server is not None:
        shown = _read(manager_of(settings), any_id)
    else:
        from pipeline.task_manager import TaskManager

        with services_of_running_stack(settings) as services:
            shown = _read(TaskManager(services), any_id)
    show(shown, _print, as_json=json)


def _read(
    manager: TaskManager | RemoteManager, any_id: str | None
) -> JobStatus | DocumentStatus | TaskStatus | SystemStatus:
    """The status of the job, document or task with this id; that of the whole system without an id."""
    return manager.system() if any_id is None else manager.status(any_id)


def _follow(settings: Settings, any_id: str | None, as_json: bool) -> int:
    """Show a job until it ends, on a stack that is started if none runs.

    Returns:
        The exit code.
    """
    from pipeline.cli.follow import display, follow
    from pipeline.cli.outcome import exit_code, explain_interruption, print_report, summary
    from pipeline.task_manager import TaskManager

    offline = manager_of(settings)
    job_id = _job_id_of(offline, any_id)
    last = offline.job(job_id)

    def show_until_end(manager: TaskManager | RemoteManager) -> JobStatus:
        with display(quiet=as_json) as show:
            return follow(manager, job_id, show)

    if not last.ended:
        try:
            if settings.server is not None:
                last = show_until_end(offline)
            else:
                last = through_losses(settings, lambda found: show_until_end(TaskManager(found)), quiet=as_json)
        except KeyboardInterrupt:
            return explain_interruption(offline, job_id)
    print_report(summary(offline, last, last.seconds), last, as_json=as_json)
    return exit_code(last)


def _job_id_of(manager: TaskManager | RemoteManager, any_id: str | None) -> str:
    """The id of the job with this id, or of the job that works on the document or task with this id.

    Raises:
        BadRequest: no id is given, or no job works on the document.
    """
    from pipeline.results import JobStatus

    if any_id is None:
        raise BadRequest("What is to be followed?", "Name a job: docrelay status ID --follow")
    status = manager.status(any_id)
    job_id = status.id if isinstance(status, JobStatus) else status.job_id
    if job_id is None:
        raise BadRequest("Nothing is being done to this document.", "See: docrelay status " + any_id)
    return job_id


def _print(shown: JobStatus | DocumentStatus | TaskStatus | SystemStatus) -> None:
    """Print a status in the form that suits its kind."""
    from pipeline.results import DocumentStatus, JobStatus, SystemStatus

    if isinstance(shown, SystemStatus):
        _print_system(shown)
    elif isinstance(shown, JobStatus):
        from pipeline.cli.follow import progress_line

        out.print(f"Job {shown.id}: {shown.state}, collection {shown.collection}, priority {shown.priority}")
        out.print("  " + progress_line(shown))
    else:
        _print_fields(shown)
        if isinstance(shown, DocumentStatus):
            _print_history(shown)


def _print_fields(shown: DocumentStatus | TaskStatus) -> None:
    """Print the fields of a status that have a value."""
    table = Table.grid(padding=(0, 2))
    for name, value in shown.model_dump(exclude={"timeline", *SENTENCES}).items():
        if value not in (None, "", []):
            text = ", ".join(value) if isinstance(value, list) else str(value)
            table.add_row(name, Text(plain(text)))
    print_table(table)


def _print_history(document: DocumentStatus) -> None:
    for step in document.timeline:
        out.print(f"  {step.at}  {step.state}")
    for name, heading in SENTENCES.items():
        # What is missing is a warning too: it is printed once.
        listed = [text for text in getattr(document, name) if name == "missing" or text not in document.missing]
        if listed:
            out.print(heading)
        for text in listed:
            out.print(Text(plain(f"  {text}")))


def _print_system(system: SystemStatus) -> None:
    """Print documents, collections, failures, watched folders, jobs and queues."""
    from pipeline.cli.follow import progress_line

    if system.disk is not None and system.disk.message is not None:
        out.print(Text(plain(system.disk.message), style="bold red"))

    if not system.jobs and not system.watched:
        out.print("Nothing was ingested yet. Begin with: docrelay ingest PATH")
        return
    states = ", ".join(f"{number} {state}" for state, number in sorted(system.documents.items()))
    out.print(f"Documents: {states}")
    for name, chunks in system.collections.items():
        out.print(f"Collection {name}: {quantity(chunks, 'chunk')} searchable")
        if outdated := system.outdated.get(name):
            out.print(f"  {quantity(outdated, 'document')} outdated (read them again with: {reread_command(name)})")
        if (analyser := system.analysers.get(name, ANALYSER)) != ANALYSER:
            upgrade = command(f"reindex --collection {name}")
            out.print(f"  words are matched by analyser {analyser} (re-index to analyser {ANALYSER} with: {upgrade})")
    _print_drift(system.drift)
    if system.failures:
        out.print(f"Failures: {system.failures} (see them with: {command('failures list')})")
    for folder in system.watched:
        _print_watched(folder)
    for job in system.jobs:
        out.print(f"Job {job.id}  {job.collection}  {job.state:<10}  {progress_line(job)}")
    _print_queues(system)


def _print_drift(drift: DriftStatus) -> None:
    """Print where the vector store does not hold what the catalog says, and what the last verification has left."""
    for found in drift.collections:
        counts = f"{found.points} of {found.expected} points are in the store"
        out.print(Text(plain(f"Drift in {found.collection}: {found.message or counts}"), style="bold red"))
    if drift.left:
        left = ", ".join(f"{number} {kind}" for kind, number in drift.left.items())
        out.print(Text(f"The last verification found and left: {left}", style="bold red"))
    if drift.unfinished:
        number = quantity(drift.unfinished, "document")
        out.print(Text(f"At the last verification {number} lacked points and were being made anew.", style="bold red"))
    if not drift.is_clean:
        out.print(f"  Mend it with: {command('verify --repair')}")


def _print_queues(system: SystemStatus) -> None:
    if system.queues is not None:
        depth = ", ".join(f"{name} {number}" for name, number in system.queues.depth.items() if number)
        workers = ", ".join(worker.node for worker in system.queues.workers)
        out.print(f"Queues: {depth or 'empty'}; workers: {workers or 'none'}")
        if number := system.queues.dead_letters:
            see = command("failures messages list")
            out.print(f"{quantity(number, 'message')} that no task could answer (see them with: {see})")
        for process in system.processes:
            if process.restarts:
                is_frozen = process.reason == "frozen"
                what = "was frozen and has been replaced" if is_frozen else "ended and was started again"
                out.print(f"  {process.name} {what} ({quantity(process.restarts, 'restart')})")
        return
    out.print("No stack is running on this data folder; a command starts it when it needs it.")
    unfinished = [job.id for job in system.jobs if not job.ended]
    if unfinished:
        out.print(f"Unfinished jobs wait for it. Go on with: {command(f'status {unfinished[0]} --follow')}")


def _print_watched(folder: WatchedFolder) -> None:
    """Print a watched folder, with its held deletions and its trouble."""
    from pipeline.watch.held_deletions import hold_message

    mode = folder.mode or "not watched now"
    out.print(Text(plain(f"Watched {folder.root}: {quantity(folder.files, 'file')}, {mode}")))
    if folder.held is not None:
        out.print(Text(plain(f"  {hold_message(folder.held, folder.held_files)}"), style="bold red"))
        out.print(f"  If they are to go: {command(f'watch {shlex.quote(folder.root)} --confirm-deletions')}")
    if folder.trouble is not None:
        out.print(Text(plain(f"  {folder.trouble}"), style="bold red"))
