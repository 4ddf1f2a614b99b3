"""`docrelay beat`: run the clock that starts periodic tasks, for a distributed set-up."""

from __future__ import annotations

import typer

from pipeline.cli.options import DataDir, Name, local_settings_of, require_redis

__all__ = ["beat"]


def beat(
    context: typer.Context,
    name: Name = "beat",
    data_dir: DataDir = None,
) -> None:
    """Run the clock, for a distributed set-up: one is enough."""
    from pipeline.engine.worker import run_beat

    settings = local_settings_of(context, data_dir)
    require_redis(settings)
    run_beat(settings, name or "beat")
