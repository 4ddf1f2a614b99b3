"""Counters of what the stages do, in Redis, where every worker reaches them; they begin anew when Redis does."""

from __future__ import annotations

from typing import Any

import redis

from pipeline.names import PREFIX

__all__ = ["count", "counted"]

TASKS = f"{PREFIX}metrics:tasks"
SECONDS = f"{PREFIX}metrics:seconds"


def count(connection: redis.Redis, stage: str, outcome: str, seconds: float) -> None:
    """Count one task that ended so, and the time it took. What Redis does not take is not counted."""
    try:
        with connection.pipeline(transaction=False) as both:
            both.hincrby(TASKS, f"{stage}/{outcome}", 1)
            both.hincrbyfloat(SECONDS, stage, seconds)
            both.execute()
    except redis.RedisError:
        return


def counted(connection: redis.Redis) -> tuple[dict[tuple[str, str], int], dict[str, float]]:
    """Tasks by stage and outcome, and seconds by stage. Raises redis.RedisError."""
    tasks: Any = connection.hgetall(TASKS)
    seconds: Any = connection.hgetall(SECONDS)
    by_outcome = {tuple(key.decode().split("/", 1)): int(value) for key, value in tasks.items()}
    return by_outcome, {key.decode(): float(value) for key, value in seconds.items()}
