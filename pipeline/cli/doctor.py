"""`docrelay doctor`: how each part of the stack and of the installation is, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import FAILED, UNREACHABLE, command, out, plain, print_json, print_table

if TYPE_CHECKING:
    from pipeline.results import HealthReport, PartHealth
    from pipeline.settings import Settings

__all__ = ["doctor"]

STYLES = {"ok": "", "degraded": "bold yellow", "failed": "bold red"}
MINUTE_S = 60.0


def doctor(
    context: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only what is not well.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Check the stack and the installation, and say what to do."""
    report = _examined(settings_of(context, data_dir, server))
    if json:
        print_json(report.model_dump())
    else:
        _print(report, quiet=quiet)
    raise typer.Exit(_exit_code(report))


def _examined(settings: Settings) -> HealthReport:
    """The report of the server that the settings name, else of this machine."""
    if settings.server is not None:
        from pipeline.cli.remote import client_of

        return client_of(settings).health()
    from pipeline.health import examine

    return examine(settings)


def _exit_code(report: HealthReport) -> int:
    if _has_stack(report) and not report.reachable:
        return UNREACHABLE
    return 0 if report.state == "ok" else FAILED


def _has_stack(report: HealthReport) -> bool:
    """Whether a stack runs or is named by `redis_url`; in embedded mode there may be none, which is nothing wrong."""
    return any(part.name == "broker" for part in report.parts)


def _print(report: HealthReport, *, quiet: bool) -> None:
    if report.installation:
        _print_parts("Installation", report.installation, quiet=quiet)
    if report.parts:
        _print_parts("Stack", report.parts, quiet=quiet)
    if not _has_stack(report):
        out.print("No stack is running on this data folder, and none has to: a command starts it when it needs it.")
        out.print(f"To keep it running, with its API: {command('up')}")
    elif report.state == "ok":
        out.print("All is well.")


def _print_parts(heading: str, parts: list[PartHealth], *, quiet: bool) -> None:
    """Print parts, the cause and the hint below each that is not ok."""
    table = Table.grid(padding=(0, 2))
    for part in parts:
        if quiet and part.state == "ok":
            continue
        table.add_row(f"  {part.name}", Text(part.state, style=STYLES[part.state]), Text(_seen(part)))
        for line in filter(None, (part.cause, part.hint)):
            table.add_row("", "", Text(plain(line)))
    if table.row_count:
        out.print(heading)
        print_table(table)


def _seen(part: PartHealth) -> str:
    """When the part was last seen well, where that is not now."""
    if part.age_s is None or part.age_s < 1:
        return ""
    age = f"{part.age_s:.0f} s" if part.age_s < MINUTE_S else f"{part.age_s / MINUTE_S:.0f} min"
    return f"last seen well {age} ago"
