"""`docrelay restore`: restore a backup into an empty data folder or deployment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import DataDir, Json, local_settings_of
from pipeline.cli.output import command, note, out, quantity, show

if TYPE_CHECKING:
    from pipeline.results import RestoreReport

__all__ = ["restore"]


def restore(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that docrelay backup wrote.", show_default=False)
    ],
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Restore a backup into an empty data folder, or an empty distributed deployment."""
    from pipeline.backup import restore as restore_backup

    report = restore_backup(local_settings_of(context, data_dir), folder, note)
    show(report, _print, as_json=json)


def _print(report: RestoreReport) -> None:
    out.print(
        f"Restored: {quantity(report.documents, 'document')} and {quantity(report.points, 'point')} "
        f"as of {report.moment}, {quantity(report.files, 'file')} in {report.seconds:.1f} s."
    )
    if report.unfinished_jobs:
        out.print(f"{quantity(report.unfinished_jobs, 'unfinished job')} will go on as soon as the stack runs.")
    if report.other_settings:
        out.print(f"Settings that had other values there: {', '.join(report.other_settings)}. See settings.json of it.")
    out.print(f"Compare catalog, index and files with: {command('verify')}")
