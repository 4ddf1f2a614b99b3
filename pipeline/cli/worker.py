"""`docrelay up`, `worker` and `beat`."""

from __future__ import annotations

import socket

from pipeline import stack
from pipeline.cli.output import note
from pipeline.errors import BadRequest, StackUnavailable
from pipeline.settings import Settings

__all__ = ["beat", "up", "worker"]


def up(settings: Settings) -> None:
    """Hold the stack until Ctrl-C."""
    stack.hold(settings, note)


def worker(settings: Settings, group: str, queues: str, name: str | None) -> int:
    """Run one worker.

    Returns:
        The exit code.
    """
    from pipeline.engine.worker import queues_of, run_worker

    _need_redis(settings)
    chosen = [queue for queue in queues.split(",") if queue]
    for queue in chosen:
        if queue not in queues_of(group):
            raise BadRequest(
                f"The group {group} has no queue {queue}.", f"Its queues are: {', '.join(queues_of(group))}."
            )
    return run_worker(settings, group, name or f"{group}-{socket.gethostname()}", chosen)


def beat(settings: Settings, name: str) -> None:
    """Run the clock."""
    from pipeline.engine.worker import run_beat

    _need_redis(settings)
    run_beat(settings, name)


def _need_redis(settings: Settings) -> None:
    if settings.redis_url is None:
        raise StackUnavailable(
            "A worker of its own needs a Redis that all share.",
            "Set DOCRELAY_REDIS_URL, or run everything on this machine with: docrelay up",
        )
