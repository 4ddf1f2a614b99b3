"""`docrelay backup`: write a backup of everything into a new folder, while the stack works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.connect import connected_services
from pipeline.cli.options import DataDir, Json, local_settings_of
from pipeline.cli.output import command, note, out, quantity, show

if TYPE_CHECKING:
    from pipeline.results import BackupReport
    from pipeline.services import Services
    from pipeline.settings import Settings

__all__ = ["backup"]


def backup(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that does not exist yet.", show_default=False)
    ],
    qdrant_snapshots: Annotated[
        bool, typer.Option("--qdrant-snapshots", help="Also the Qdrant server's own snapshots, for a quicker restore.")
    ] = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Write a backup of everything into a new folder, while the stack works."""
    from pipeline.backup import back_up

    with _services(local_settings_of(context, data_dir), quiet=json) as services:
        report = back_up(services, folder, note, qdrant_snapshots=qdrant_snapshots)
    show(report, _print, as_json=json)


@contextmanager
def _services(settings: Settings, *, quiet: bool) -> Iterator[Services]:
    """Services on the stack if the vectors are in the data folder; a Qdrant server is read without one."""
    from pipeline.services import Services

    if settings.qdrant_url is not None:
        yield Services(settings)
        return
    with connected_services(settings, quiet=quiet) as services:
        yield services


def _print(report: BackupReport) -> None:
    out.print(
        f"Backed up: {quantity(report.documents, 'document')} and {quantity(report.points, 'point')} "
        f"as of {report.moment}, {quantity(report.files, 'file')}, {report.size / 1e6:.1f} MB "
        f"in {report.seconds:.1f} s; every checksum is right."
    )
    if report.unfinished_jobs:
        out.print(f"{quantity(report.unfinished_jobs, 'unfinished job')} will go on where the backup is restored.")
    if report.missing_points:
        missing = quantity(report.missing_points, "point")
        out.print(f"The index itself lacks {missing} that the catalog names. See: {command('verify')}")
