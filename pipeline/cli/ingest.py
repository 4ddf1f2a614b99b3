"""`docrelay ingest`: take files in and make them searchable."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from pipeline.cli.connect import through_losses
from pipeline.cli.options import (
    Collection,
    DataDir,
    Json,
    Ocr,
    Priority,
    Server,
    Tags,
    Workflow,
    WorkflowOption,
    settings_of,
)
from pipeline.cli.output import note

if TYPE_CHECKING:
    from extractors.options import OcrMode
    from pipeline.cli.follow import Display
    from pipeline.ingest.request import Request
    from pipeline.ingest.walk import Candidate
    from pipeline.results import JobStatus
    from pipeline.services import Services
    from pipeline.settings import Settings
    from pipeline.task_manager import TaskManager

__all__ = ["ingest"]


def ingest(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders.", show_default=False)],
    collection: Collection = None,
    workflow: Workflow = None,
    option: WorkflowOption = None,
    priority: Priority = None,
    ocr: Ocr = None,
    tag: Tags = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return when all files are taken in.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Take files in and make them searchable."""
    from pipeline.ingest.request import Request, options_of

    settings = settings_of(context, data_dir, server)
    if settings.server is not None:
        from pipeline.cli.upload import ingest_on_server as run
    else:
        run = _ingest_here
    tags = [name for name in tag if name] if tag else None
    options = options_of(option) if option else None
    mode = cast("OcrMode | None", ocr)  # checked with the rest of the request
    request = Request(paths, collection, workflow, priority, tags=tags, options=options, ocr=mode)
    raise typer.Exit(run(settings, request, not no_wait, json))


def _ingest_here(settings: Settings, request: Request, wait: bool, as_json: bool) -> int:
    """Ingest on this machine, wait for the end of the job if `wait`, and report.

    Returns:
        The exit code.
    """
    from pipeline.cli.outcome import exit_code, explain_interruption, print_report, summary
    from pipeline.ingest.submit import find
    from pipeline.services import Services
    from pipeline.task_manager import TaskManager

    began = time.monotonic()
    offline = Services(settings)
    intake = _Intake(request, find(offline, request), wait=wait, quiet=as_json)
    manager = TaskManager(offline)
    try:
        status = through_losses(settings, intake.run, quiet=as_json)
    except KeyboardInterrupt:
        if intake.job_id is None:
            raise
        return explain_interruption(manager, intake.job_id, len(intake.files))
    report = summary(manager, status, time.monotonic() - began)
    print_report(report, status, as_json=as_json)
    return exit_code(status)


class _Intake:
    """The job of one command, taken in and followed; `run` goes on where an earlier call has ended."""

    def __init__(self, request: Request, files: list[Candidate], *, wait: bool, quiet: bool) -> None:
        self.files = files
        self.job_id: str | None = None
        self._request = request
        self._wait = wait
        self._quiet = quiet
        self._taken = 0
        self._closed = False

    def run(self, services: Services) -> JobStatus:
        """Take the files in that are left, and wait for the end of the job; its last status."""
        from pipeline.cli.follow import DiskNotes, display, follow
        from pipeline.engine.room import with_room
        from pipeline.ingest.submit import open_job
        from pipeline.task_manager import TaskManager

        manager = TaskManager(services)
        if self.job_id is None:
            self.job_id = with_room(services, lambda: open_job(services, self._request, self.files), note)
        with display(quiet=self._quiet) as show:
            if not self._closed:
                self._take_in(services, manager, show)
            notes = DiskNotes(services.settings)
            return follow(manager, self.job_id, show, notes) if self._wait else manager.job(self.job_id)

    def _take_in(self, services: Services, manager: TaskManager, show: Display) -> None:
        from pipeline.cli.follow import on_intake
        from pipeline.ingest.intake import ingest_files

        job_id, before = str(self.job_id), self._taken
        update = on_intake(manager, job_id, show)

        def on_progress(number: int) -> None:
            self._taken = before + number
            if update is not None:
                update(self._taken)

        ingest_files(services, job_id, self.files[before:], on_progress, note)
        self._closed = True
