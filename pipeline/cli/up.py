"""`docrelay up`: run the whole stack on this machine."""

from __future__ import annotations

import typer

from pipeline import stack
from pipeline.cli.options import DataDir, local_settings_of
from pipeline.cli.output import note

__all__ = ["up"]


def up(context: typer.Context, data_dir: DataDir = None) -> None:
    """Run the whole stack on this machine until Ctrl-C."""
    stack.hold(local_settings_of(context, data_dir), note)
