"""Counters of tasks and seconds by stage, in Redis, where every worker reaches them; lost when Redis loses its data."""

from __future__ import annotations

from typing import Any

import redis

from pipeline.names import PREFIX

__all__ = ["count", "count_dead_letter", "counted", "counted_dead_letters"]

TASKS = f"{PREFIX}metrics:tasks"
SECONDS = f"{PREFIX}metrics:seconds"
DEAD_LETTERS = f"{PREFIX}metrics:dead_letters"


def count(connection: redis.Redis, stage: str, outcome: str, seconds: float) -> None:
    """Count one task with its outcome and its time. Nothing is counted while Redis cannot be reached."""
    try:
        with connection.pipeline(transaction=False) as pipe:
            pipe.hincrby(TASKS, f"{stage}/{outcome}", 1)
            pipe.hincrbyfloat(SECONDS, stage, seconds)
            pipe.execute()
    except redis.RedisError:
        return


def counted(connection: redis.Redis) -> tuple[dict[tuple[str, str], int], dict[str, float]]:
    """Return tasks by (stage, outcome), and seconds by stage. Raises redis.RedisError."""
    tasks: Any = connection.hgetall(TASKS)
    seconds: Any = connection.hgetall(SECONDS)
    by_outcome = {tuple(key.decode().split("/", 1)): int(value) for key, value in tasks.items()}
    return by_outcome, {key.decode(): float(value) for key, value in seconds.items()}


def count_dead_letter(connection: redis.Redis, outcome: str) -> None:
    """Count one message that was received by the queue of dead letters, dropped as it was full, or reprocessed."""
    try:
        connection.hincrby(DEAD_LETTERS, outcome, 1)
    except redis.RedisError:
        return


def counted_dead_letters(connection: redis.Redis) -> dict[str, int]:
    """Return the messages of the queue of dead letters by outcome. Raises redis.RedisError."""
    numbers: Any = connection.hgetall(DEAD_LETTERS)
    return {outcome.decode(): int(number) for outcome, number in numbers.items()}
