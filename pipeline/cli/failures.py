"""`docrelay failures`: list documents that failed, try them again, forget them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.confirmation import confirm
from pipeline.cli.connect import connected_services, manager_of
from pipeline.cli.failure_messages import messages_app
from pipeline.cli.failures_output import print_archived, print_dry_run, print_history, print_list, print_quarantined
from pipeline.cli.list_options import Before, Code, Cursor, OfCollection, Since, Source
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import out, print_json, quantity, show
from pipeline.cli.usage import Commands

if TYPE_CHECKING:
    from pipeline.dead_letters.query import FailureQuery
    from pipeline.results import RetryReport
    from pipeline.settings import Settings

__all__ = ["failures_app"]

failures_app = Commands(help="Documents that failed: list them, try them again, forget them.", no_args_is_help=True)
failures_app.add_typer(messages_app, name="messages")

Stage = Annotated[str | None, typer.Option("--stage", help="Only of this stage.", show_default=False)]
Job = Annotated[str | None, typer.Option("--job", help="Only of this job.", show_default=False)]
Quarantined = Annotated[bool, typer.Option("--quarantined", help="Only documents in quarantine.")]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which failures to try again: of these documents, sources or jobs, that meet the conditions; all if empty."""

    names: list[str]
    query: FailureQuery
    force: bool = False
    dry_run: bool = False
    wait: bool = True


@dataclass(slots=True)
class Retried:
    """What has been begun so far, and the status of each of its jobs, at its end if that is waited for."""

    report: RetryReport
    jobs: list[Any] = field(default_factory=list)


@failures_app.command("list")
def failures_list(
    context: typer.Context,
    code: Code = None,
    stage: Stage = None,
    job: Job = None,
    collection: OfCollection = None,
    source: Source = None,
    since: Since = None,
    before: Before = None,
    quarantined: Quarantined = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Failures at most.")] = 100,
    cursor: Cursor = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """List documents that failed, newest first, with the reason and what to do, and how many of each class."""
    from pipeline.dead_letters.query import FailureQuery

    query = FailureQuery(code, stage, job, collection, source, since, before, quarantined=quarantined or None)
    listed = manager_of(settings_of(context, data_dir, server)).list_failures(query, cursor, limit)
    show(listed, print_list, as_json=json)


@failures_app.command("show")
def failures_show(
    context: typer.Context,
    id_or_source: Annotated[
        str, typer.Argument(metavar="ID", help="Document, or the source of one that failed.", show_default=False)
    ],
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Show every attempt of a document, with the errors on its way: when, where, and which worker had it."""
    history = manager_of(settings_of(context, data_dir, server)).failure(id_or_source)
    show(history, print_history, as_json=json)


@failures_app.command("archived")
def failures_archived(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Failures at most.")] = 100,
    cursor: Cursor = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """List failures that stayed open for `failures_days`, those archived last first."""
    listed = manager_of(settings_of(context, data_dir, server)).archived_failures(cursor, limit)
    show(listed, print_archived, as_json=json)


@failures_app.command("retry")
def failures_retry(
    context: typer.Context,
    ids_or_sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Documents, sources or jobs; nothing for all.", show_default=False),
    ] = None,
    code: Code = None,
    stage: Stage = None,
    job: Job = None,
    collection: OfCollection = None,
    source: Source = None,
    since: Since = None,
    before: Before = None,
    force: Annotated[bool, typer.Option("--force", help="Try documents in quarantine too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would be tried again.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the end.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Try failed documents again."""
    from pipeline.dead_letters.query import FailureQuery

    settings = settings_of(context, data_dir, server)
    query = FailureQuery(code, stage, job, collection, source, since, before)
    selection = Selection(ids_or_sources or [], query, force, dry_run, not no_wait)
    raise typer.Exit(_retry(settings, selection, json))


@failures_app.command("purge")
def failures_purge(
    context: typer.Context,
    code: Code = None,
    stage: Stage = None,
    job: Job = None,
    collection: OfCollection = None,
    source: Source = None,
    since: Since = None,
    before: Before = None,
    quarantined: Quarantined = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Forget failures; the documents stay as they are."""
    from pipeline.dead_letters.query import FailureQuery

    query = FailureQuery(code, stage, job, collection, source, since, before, quarantined=quarantined or None)
    manager = manager_of(settings_of(context, data_dir, server))
    if not (yes or json):
        confirm(manager.list_failures(query, limit=1).total, "failure")
    number = manager.purge_failures(query)
    if json:
        print_json({"purged": number})
    else:
        out.print(f"Forgotten: {quantity(number, 'failure')}.")


def _retry(settings: Settings, selection: Selection, as_json: bool) -> int:
    """Try failures again, wait for the end of the jobs if that is asked for, and report as `ingest` does.

    Returns:
        The exit code.
    """
    from pipeline.cli.outcome import exit_code, print_report, summary
    from pipeline.results import RetryReport

    counted = _count(settings, selection)
    retried = Retried(counted or RetryReport(jobs=[], documents=0, counts=[], quarantined=0))
    if counted is None or (counted.documents and not selection.dry_run):
        interrupted = _begin(settings, selection, as_json, retried)
        if interrupted is not None:
            return interrupted
    manager, report = manager_of(settings), retried.report
    reports = [summary(manager, status, status.seconds) for status in retried.jobs]
    if as_json:
        print_json({**report.model_dump(), "jobs": reports})
    elif selection.dry_run:
        print_dry_run(report)
    else:
        for printed, status in zip(reports, retried.jobs, strict=True):
            print_report(printed, status, as_json=False)
        print_quarantined(report)
        if not reports:
            out.print("There is nothing to try again.")
    return max((exit_code(status) for status in retried.jobs), default=0)


def _count(settings: Settings, selection: Selection) -> RetryReport | None:
    """What a retry would do, read from the catalog before a stack is started; None if a server is to say it.

    Raises:
        UnknownId: one of the documents has not failed.
    """
    if settings.server is not None and not selection.dry_run:
        return None
    manager = manager_of(settings)
    return manager.retry_failures(selection.query, selection.names, force=selection.force, dry_run=True)


def _begin(settings: Settings, selection: Selection, as_json: bool, retried: Retried) -> int | None:
    """Begin the jobs, and follow them if that is asked for; the exit code if the user interrupts that."""
    from pipeline.cli.follow import display, follow
    from pipeline.cli.outcome import explain_interruption
    from pipeline.task_manager import TaskManager

    with ExitStack() as scope:
        manager: Any = manager_of(settings)
        if settings.server is None:
            manager = TaskManager(scope.enter_context(connected_services(settings, quiet=as_json)))
        retried.report = manager.retry_failures(selection.query, selection.names, force=selection.force)
        for job_id in retried.report.jobs:
            try:
                with display(quiet=as_json) as show:
                    status = follow(manager, job_id, show) if selection.wait else manager.job(job_id)
                    retried.jobs.append(status)
            except KeyboardInterrupt:
                return explain_interruption(manager, job_id)
    return None
