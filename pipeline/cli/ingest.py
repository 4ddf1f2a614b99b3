"""`docrelay ingest`: take files in and make them searchable."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from pipeline.cli.connect import connected_services
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

if TYPE_CHECKING:
    from extractors.options import OcrMode
    from pipeline.ingest.request import Request
    from pipeline.settings import Settings

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
    from pipeline.cli.follow import display, follow, on_intake
    from pipeline.cli.outcome import exit_code, explain_interruption, print_report, summary
    from pipeline.ingest.intake import ingest_files
    from pipeline.ingest.submit import find, open_job
    from pipeline.services import Services
    from pipeline.task_manager import TaskManager

    began = time.monotonic()
    files = find(Services(settings), request)
    with connected_services(settings, quiet=as_json) as services:
        manager = TaskManager(services)
        job_id = open_job(services, request, files)
        try:
            with display(quiet=as_json) as show:
                ingest_files(services, job_id, files, on_intake(manager, job_id, show))
                status = follow(manager, job_id, show) if wait else manager.job(job_id)
        except KeyboardInterrupt:
            return explain_interruption(manager, job_id, len(files))
        report = summary(manager, status, time.monotonic() - began)
    print_report(report, status, as_json=as_json)
    return exit_code(status)
