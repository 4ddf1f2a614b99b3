"""`docrelay up`: run the whole stack on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from pipeline import stack
from pipeline.cli.options import DataDir, local_settings_of
from pipeline.cli.output import note
from pipeline.errors import BadRequest

__all__ = ["up"]


def up(
    context: typer.Context,
    api_port: Annotated[
        int | None,
        typer.Option("--api-port", min=0, max=65535, help="Port of the API; 0 for any free one.", show_default=False),
    ] = None,
    flower: Annotated[
        bool, typer.Option("--flower", help="Also Flower, Celery's own pages, on port 5555 of this machine.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Run the whole stack on this machine until Ctrl-C."""
    if flower and find_spec("flower") is None:
        raise BadRequest("Flower is not installed.", "pip install 'docrelay[flower]'")
    # Flower shows tasks by their events.
    settings = local_settings_of(context, data_dir, api_port=api_port, events=True if flower else None)
    stack.hold(settings, note, flower=flower)
