"""`docrelay failures`: list documents that failed, try them again, forget them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pipeline.cli.connect import connected_services, manager_of
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import command, out, plain, print_json, quantity
from pipeline.cli.usage import Commands

if TYPE_CHECKING:
    from pipeline.results import FailureRecord
    from pipeline.settings import Settings

__all__ = ["failures_app"]

failures_app = Commands(help="Documents that failed: list them, try them again, forget them.", no_args_is_help=True)

Code = Annotated[str | None, typer.Option("--code", help="Only this code.", show_default=False)]
Job = Annotated[str | None, typer.Option("--job", help="Only of this job.", show_default=False)]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which failures to try again: of these documents, sources or jobs, with this code, of this job; all if empty."""

    ids_or_sources: list[str]
    code: str | None
    job: str | None


@failures_app.command("list")
def failures_list(
    context: typer.Context,
    code: Code = None,
    job: Job = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """List documents that failed, with the reason and what to do."""
    records = manager_of(settings_of(context, data_dir, server)).failures(code=code, job_id=job)
    if json:
        print_json({"failures": [record.model_dump() for record in records]})
        return
    for record in records:
        _print_failure(record)
    footer = f"{quantity(len(records), 'failure')}. Try again with: {command('failures retry')}"
    out.print(footer if records else "There are none.")


@failures_app.command("retry")
def failures_retry(
    context: typer.Context,
    ids_or_sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Documents, sources or jobs; nothing for all.", show_default=False),
    ] = None,
    code: Code = None,
    job: Job = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the end.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Try failed documents again."""
    settings = settings_of(context, data_dir, server)
    raise typer.Exit(_retry(settings, Selection(ids_or_sources or [], code, job), not no_wait, json))


@failures_app.command("purge")
def failures_purge(
    context: typer.Context,
    code: Code = None,
    job: Job = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Forget failures; the documents stay as they are."""
    number = manager_of(settings_of(context, data_dir, server)).purge(code=code, job_id=job)
    if json:
        print_json({"purged": number})
    else:
        out.print(f"Forgotten: {quantity(number, 'failure')}.")


def _retry(settings: Settings, selection: Selection, wait: bool, as_json: bool) -> int:
    """Try failures again, wait for the end of the jobs if `wait`, and report as `ingest` does.

    Returns:
        The exit code.
    """
    from pipeline.cli.follow import display, follow
    from pipeline.cli.outcome import exit_code, explain_interruption, print_report, summary
    from pipeline.task_manager import TaskManager

    manager, jobs = manager_of(settings), []
    if settings.server is not None or _any_selected(settings, selection):
        with ExitStack() as scope:
            if settings.server is None:
                manager = TaskManager(scope.enter_context(connected_services(settings, quiet=as_json)))
            for job_id in manager.retry(selection.ids_or_sources, code=selection.code, job_id=selection.job):
                try:
                    with display(quiet=as_json) as show:
                        jobs.append(follow(manager, job_id, show) if wait else manager.job(job_id))
                except KeyboardInterrupt:
                    return explain_interruption(manager, job_id)
    reports = [summary(manager, status, status.seconds) for status in jobs]
    if as_json:
        print_json({"jobs": reports})
    elif not jobs:
        out.print("There is nothing to try again.")
    else:
        for report, status in zip(reports, jobs, strict=True):
            print_report(report, status, as_json=False)
    return max((exit_code(status) for status in jobs), default=0)


def _any_selected(settings: Settings, selection: Selection) -> bool:
    """Whether there is a failure to try again; read from the catalog before a stack is started.

    Raises:
        UnknownId: one of the documents has not failed.
    """
    from pipeline.ingest.retry import choose
    from pipeline.services import Services

    return bool(choose(Services(settings), selection.ids_or_sources, code=selection.code, job_id=selection.job))


def _print_failure(record: FailureRecord) -> None:
    kind = "transient" if record.transient else "permanent"
    details = f"  {plain(record.source)}  ({record.collection}, {record.stage}, {kind})"
    out.print(Text.assemble((record.code, "bold"), details))
    out.print(Text(f"    {plain(record.message)} {record.hint}"))
