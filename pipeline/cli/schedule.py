"""`docrelay schedule`: list periodic work with its last and next runs, run an entry now, show the numbers of days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import FAILED, command, note, out, plain, print_json, print_table
from pipeline.cli.schedule_wait import Controls, wait_for_run
from pipeline.cli.usage import Commands, refuse_misplaced_options

if TYPE_CHECKING:
    from pipeline.results import DailyMetrics, ScheduledEntry, ScheduleList
    from pipeline.settings import Settings

__all__ = ["schedule_app"]

schedule_app = Commands()


@schedule_app.callback(invoke_without_command=True)
def schedule(context: typer.Context, json: Json = False, server: Server = None, data_dir: DataDir = None) -> None:
    """Periodic work: list it with its last and next runs, run an entry now, show the numbers of each day."""
    if context.invoked_subcommand is None:
        _list(settings_of(context, data_dir, server), as_json=json)
    else:
        refuse_misplaced_options(context)


@schedule_app.command("list")
def schedule_list(context: typer.Context, json: Json = False, server: Server = None, data_dir: DataDir = None) -> None:
    """List the entries of the schedule with their last and next runs, as `docrelay schedule` does."""
    _list(settings_of(context, data_dir, server), as_json=json)


@schedule_app.command("run")
def schedule_run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Entry of the schedule.", show_default=False)],
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Run an entry of the schedule now, and wait for its end."""
    with _controls(settings_of(context, data_dir, server), quiet=json) as controls:
        entry = wait_for_run(controls, name)
    if json:
        print_json(entry.model_dump())
    else:
        out.print(Text(plain(f"{entry.name}: {_last_run(entry)}")))
    raise typer.Exit(0 if entry.last_run is not None and entry.last_run.outcome == "done" else FAILED)


@schedule_app.command("days")
def schedule_days(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Days at most.")] = 31,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Show the stored numbers of the last days: documents, chunks, failures, OCR pages, durations by stage."""
    days = _read_days(settings_of(context, data_dir, server), limit)
    if json:
        print_json({"days": [day.model_dump() for day in days]})
    else:
        _print_days(days)


def _list(settings: Settings, *, as_json: bool) -> None:
    listed = _read(settings)
    if as_json:
        print_json(listed.model_dump())
        return
    table = Table.grid(padding=(0, 2))
    for entry in listed.entries:
        upcoming = f"next {_short(entry.next_run)}" if entry.next_run is not None else "switched off"
        table.add_row(entry.name, entry.expression or "-", upcoming, Text(plain(_last_run(entry))))
    print_table(table)
    out.print(f"Expressions are in {listed.time_zone}, times in UTC. Run one now: {command('schedule run NAME')}")


def _read(settings: Settings) -> ScheduleList:
    if settings.server is not None:
        from pipeline.cli.remote import client_of

        return client_of(settings).schedule()
    from pipeline import schedule
    from pipeline.services import Services

    return schedule.list_entries(Services(settings))


def _read_days(settings: Settings, limit: int) -> list[DailyMetrics]:
    if settings.server is not None:
        from pipeline.cli.remote import client_of

        return client_of(settings).daily_metrics(limit=limit)
    from pipeline import schedule
    from pipeline.services import Services

    return schedule.list_days(Services(settings), limit=limit).days


@contextmanager
def _controls(settings: Settings, *, quiet: bool) -> Iterator[Controls]:
    """What `run` needs of the server, or of the stack of this machine."""
    if settings.server is not None:
        from pipeline.cli.remote import client_of

        client = client_of(settings)

        def find(name: str) -> ScheduledEntry:
            return next(entry for entry in client.schedule().entries if entry.name == name)

        yield Controls(client.run_schedule, find, client.health)
        return
    from functools import partial

    from pipeline import schedule
    from pipeline.cli.connect import connected_services
    from pipeline.health import SystemHealth

    with connected_services(settings, quiet=quiet) as services:
        examine = SystemHealth(services).report
        yield Controls(partial(schedule.request_run, services), partial(schedule.find_entry, services), examine)


def _last_run(entry: ScheduledEntry) -> str:
    run = entry.last_run
    if run is None:
        return "requested" if entry.state == "requested" else "not run yet"
    if run.outcome is None:
        return f"running since {_short(run.started or '')}"
    took = f" in {run.duration_s:.1f} s" if run.duration_s is not None else ""
    return f"{run.outcome} {_short(run.ended or '')}{took}" + (f": {run.error}" if run.error else "")


def _short(time_text: str) -> str:
    """A time of a result to the minute."""
    return time_text[:16].replace("T", " ") if time_text[:4].isdigit() else time_text


def _print_days(days: list[DailyMetrics]) -> None:
    table = Table("day", "documents", "unchanged", "failed", "chunks", "OCR pages", "p95 by stage (s)", box=None)
    for day in days:
        slow = ", ".join(f"{stage} {found.p95_s:.1f}" for stage, found in day.stages.items())
        numbers = (day.documents, day.unchanged, day.failed, day.chunks, day.pages_ocr)
        table.add_row(day.day, *map(str, numbers), slow)
    if days:
        print_table(table)
    else:
        note(f"No day is stored yet; store those that are over with: {command('schedule run metrics')}")
