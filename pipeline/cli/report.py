"""`docrelay report`: the report of a job, a day or a span of time, as HTML, PDF, XLSX, CSV or JSON."""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from pipeline.cli.connect import manager_of
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import out, plain, print_json
from pipeline.cli.output_file import new_file

if TYPE_CHECKING:
    from pipeline.cli.remote import RemoteManager
    from pipeline.reports import FormatName, ReportQuery
    from pipeline.task_manager import TaskManager

__all__ = ["report"]

STDOUT = Path("-")


def report(
    context: typer.Context,
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="Job; without one a span of time.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="From then on: a time (ISO 8601), or 2h, 3d ago.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Before then: a time (ISO 8601), or 2h, 3d ago.", show_default=False)
    ] = None,
    day: Annotated[
        str | None, typer.Option("--day", metavar="DATE", help="A day of local time, YYYY-MM-DD.", show_default=False)
    ] = None,
    name: Annotated[
        Literal["html", "pdf", "xlsx", "csv"] | None,
        typer.Option("--format", "-f", help="csv and xlsx have every document.  [default: by --output, or html]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File, or - for stdout.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Report on a job, a day or a span of time, the last day by default: what came in, what failed, how fast it was."""
    from pipeline.errors import BadRequest
    from pipeline.reports import file_name

    query = _query(job, since, until, day)
    manager = manager_of(settings_of(context, data_dir, server))
    if json:
        if name or output:
            raise BadRequest("--json prints the data of the report.", "Leave out --format and --output, or --json.")
        print_json(manager.report(query).model_dump())
        return
    chosen = name or _format_of(output)
    target = output or Path(file_name(query, chosen))
    _write(manager, query, chosen, target, force=force)
    if target != STDOUT:
        out.print(Text(plain(f"The report is in {target}")))


def _query(job: str | None, since: str | None, until: str | None, day: str | None) -> ReportQuery:
    from pipeline.errors import BadRequest
    from pipeline.reports import ReportQuery, day_query

    if day is None:
        return ReportQuery(job, since, until)
    if job or since or until:
        raise BadRequest("--day is a span of its own.", "Leave out the job and the other times.")
    try:
        return day_query(date.fromisoformat(day))
    except (ValueError, OverflowError):
        raise BadRequest(f"{day!r} is no day.", "Write it as 2026-11-20.") from None


def _format_of(output: Path | None) -> FormatName:
    """The format that the name of a file says; HTML where it says none.

    Raises:
        BadRequest: the name says another format.
    """
    from pipeline.errors import BadRequest
    from pipeline.reports import FORMATS

    suffix = output.suffix.lower().removeprefix(".") if output is not None else ""
    found = next((name for name in FORMATS if name == (suffix or "html")), None)
    if found is None:
        raise BadRequest(f"There are no reports as {suffix!r}.", f"Take {', '.join(FORMATS)}, or name a --format.")
    return found


def _write(
    manager: TaskManager | RemoteManager, query: ReportQuery, name: FormatName, target: Path, *, force: bool
) -> None:
    if target != STDOUT:
        with new_file(target, force=force) as path:
            manager.write_report(query, name, path)
        return
    with tempfile.TemporaryDirectory(prefix="docrelay-report-") as folder:
        path = Path(folder) / f"report.{name}"
        manager.write_report(query, name, path)
        with path.open("rb") as made:
            shutil.copyfileobj(made, sys.stdout.buffer)
        sys.stdout.flush()
