"""`docrelay beat`: run the clock that starts periodic tasks, for a distributed set-up."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import DataDir, local_settings_of, require_redis

__all__ = ["beat"]


def beat(
    context: typer.Context,
    name: Annotated[str, typer.Option("--name", help="Its name in logs.")] = "beat",
    data_dir: DataDir = None,
) -> None:
    """Run the clock, for a distributed set-up: one is enough."""
    from pipeline.engine.worker import run_beat

    settings = local_settings_of(context, data_dir)
    require_redis(settings)
    run_beat(settings, name)
