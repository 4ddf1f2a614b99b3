"""`docrelay up`: run the whole stack on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import stack
from pipeline.cli.options import DataDir, local_settings_of
from pipeline.cli.output import note

__all__ = ["up"]


def up(
    context: typer.Context,
    api_port: Annotated[
        int | None,
        typer.Option("--api-port", min=0, max=65535, help="Port of the API; 0 for any free one.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Run the whole stack on this machine until Ctrl-C."""
    stack.hold(local_settings_of(context, data_dir, api_port=api_port), note)
