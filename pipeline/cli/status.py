"""`docrelay status`."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline import stack
from pipeline.cli.follow import display, follow, sentence
from pipeline.cli.outcome import exit_code, interrupted, summary, tell
from pipeline.cli.output import command, note, out, plain, print_json, print_table, several
from pipeline.cli.server import manager_of
from pipeline.errors import BadRequest
from pipeline.results import DocumentStatus, JobStatus, SystemStatus, TaskStatus, WatchedFolder
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager
from pipeline.watch.deletion_guard import told

if TYPE_CHECKING:
    from pipeline.cli.remote import RemoteManager

__all__ = ["run"]


def run(settings: Settings, identity: str | None, wait: bool, as_json: bool) -> int:
    """Show what is asked for; with `wait` start the stack if need be and go on to the end.

    Returns:
        The exit code.
    """
    if wait:
        return _follow(settings, identity, as_json)
    with ExitStack() as scope:
        manager: TaskManager | RemoteManager
        if settings.server is not None:
            manager = manager_of(settings)
        else:
            manager = TaskManager(Services(scope.enter_context(stack.peek(settings)) or settings))
        found = manager.system() if identity is None else manager.status(identity)
    if as_json:
        print_json(found.model_dump())
    else:
        _show(found)
    return 0


def _follow(settings: Settings, identity: str | None, as_json: bool) -> int:
    if identity is None:
        raise BadRequest("What is to be followed?", "Name a job: docrelay status ID --follow")
    remote = settings.server is not None
    offline: TaskManager | RemoteManager = manager_of(settings) if remote else TaskManager(Services(settings))
    found = offline.status(identity)
    job_id = found.id if isinstance(found, JobStatus) else found.job_id
    if job_id is None:
        raise BadRequest("Nothing is being done to this document.", "See: docrelay status " + identity)
    last = offline.job(job_id)
    if not last.ended:
        with ExitStack() as scope:
            manager = offline
            if not remote:
                connected = scope.enter_context(stack.connect(settings, say=None if as_json else note))
                manager = TaskManager(Services(connected))
            try:
                with display(quiet=as_json) as show:
                    last = follow(manager, job_id, show)
            except KeyboardInterrupt:
                return interrupted(manager, job_id)
    report = summary(offline, last, last.seconds)
    if as_json:
        print_json(report)
    else:
        tell(report, last)
    return exit_code(last)


def _show(found: JobStatus | DocumentStatus | TaskStatus | SystemStatus) -> None:
    if isinstance(found, SystemStatus):
        _show_system(found)
    elif isinstance(found, JobStatus):
        out.print(f"Job {found.id}: {found.state}, collection {found.collection}, priority {found.priority}")
        out.print("  " + sentence(found))
    else:
        table = Table.grid(padding=(0, 2))
        for name, value in found.model_dump(exclude={"timeline", "warnings"}).items():
            if value not in (None, "", []):
                shown = ", ".join(value) if isinstance(value, list) else str(value)
                table.add_row(name, Text(plain(shown)))
        print_table(table)
        if isinstance(found, DocumentStatus):
            for step in found.timeline:
                out.print(f"  {step.at}  {step.state}")
            for warning in found.warnings:
                out.print(Text(plain(f"  {warning}")))


def _show_system(found: SystemStatus) -> None:
    if not found.jobs and not found.watched:
        out.print("Nothing was ingested yet. Begin with: docrelay ingest PATH")
        return
    states = ", ".join(f"{number} {state}" for state, number in sorted(found.documents.items()))
    out.print(f"Documents: {states}")
    for name, chunks in found.collections.items():
        out.print(f"Collection {name}: {several(chunks, 'chunk')} searchable")
    if found.failures:
        out.print(f"Failures: {found.failures} (see them with: {command('failures list')})")
    for folder in found.watched:
        _show_watched(folder)
    for job in found.jobs:
        out.print(f"Job {job.id}  {job.collection}  {job.state:<10}  {sentence(job)}")
    if found.queues is None:
        out.print("No stack is running on this data folder; a command starts it when it needs it.")
        waiting = [job.id for job in found.jobs if not job.ended]
        if waiting:
            out.print(f"Unfinished jobs wait for it. Go on with: {command(f'status {waiting[0]} --follow')}")
        return
    depth = ", ".join(f"{name} {number}" for name, number in found.queues.depth.items() if number)
    workers = ", ".join(worker.node for worker in found.queues.workers)
    out.print(f"Queues: {depth or 'empty'}; workers: {workers or 'none'}")


def _show_watched(folder: WatchedFolder) -> None:
    out.print(
        Text(plain(f"Watched {folder.root}: {several(folder.files, 'file')}, {folder.mode or 'not watched now'}"))
    )
    if folder.held is not None:
        out.print(Text(plain(f"  {told(folder.held, folder.held_files)}"), style="bold red"))
        out.print(f"  If they are to go: {command(f'watch {shlex.quote(folder.root)} --confirm-deletions')}")
    if folder.trouble is not None:
        out.print(Text(plain(f"  {folder.trouble}"), style="bold red"))
