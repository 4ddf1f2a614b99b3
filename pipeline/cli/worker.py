"""`docrelay worker`: run one worker, for a distributed set-up."""

from __future__ import annotations

import socket
from enum import StrEnum
from typing import Annotated

import typer

from pipeline.cli.options import DataDir, Name, local_settings_of, require_redis
from pipeline.errors import BadRequest

__all__ = ["worker"]


class Group(StrEnum):
    """Worker groups."""

    extract = "extract"
    embed = "embed"
    store = "store"


def worker(
    context: typer.Context,
    group: Annotated[Group, typer.Argument(metavar="GROUP", help="What it works on.", show_default=False)],
    queues: Annotated[str, typer.Option("--queues", "-Q", help="Only these of the group's queues: a,b.")] = "",
    name: Name = None,
    data_dir: DataDir = None,
) -> None:
    """Run one worker, for a distributed set-up."""
    from pipeline.engine.groups import queues_of
    from pipeline.engine.worker import run_worker

    settings = local_settings_of(context, data_dir)
    require_redis(settings)
    queue_names = [queue for queue in queues.split(",") if queue]
    for queue in queue_names:
        if queue not in queues_of(group.value):
            raise BadRequest(
                f"The group {group.value} has no queue {queue}.",
                f"Its queues are: {', '.join(queues_of(group.value))}.",
            )
    raise typer.Exit(run_worker(settings, group.value, name or f"{group.value}-{socket.gethostname()}", queue_names))
