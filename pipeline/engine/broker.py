"""Read the broker: messages that wait in queues, and those that a worker has received and not acknowledged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import redis
from kombu.connection import Connection

from pipeline.engine.celery_app import all_queues, app_of
from pipeline.engine.heartbeat import text, unacked_key
from pipeline.services import Services

__all__ = ["held_tasks", "holding_workers", "priority_depths", "queue_depths", "reach_broker"]

PRIORITY_SEPARATOR = "\x06\x16"


def held_tasks(services: Services, more: Iterable[str] = ()) -> set[str] | None:
    """Return the ids of all tasks whose message the broker holds, queued or unacknowledged.

    Args:
        services: those of this process.
        more: queues that this installation does not know.

    Returns:
        None where the broker cannot list them: RabbitMQ reports how many messages there are, not which.
    """
    connection = services.broker
    if connection is None:
        return None
    with connection.pipeline(transaction=False) as pipe:
        for key in _queue_keys(more):
            pipe.lrange(key, 0, -1)
        queued = pipe.execute()
    messages = [message for batch in queued for message in batch]
    for node in holding_workers(connection):
        messages += [json.loads(entry)[0] for entry in connection.hvals(unacked_key(node))]
    return {task_id for message in messages if (task_id := _task_id(message))}


def holding_workers(connection: redis.Redis) -> set[str]:
    """Return the workers, living or dead, that have received messages and not acknowledged them."""
    prefix = unacked_key("")
    return {text(key).removeprefix(prefix) for key in connection.scan_iter(f"{prefix}*", count=500)}


def queue_depths(services: Services) -> dict[str, int]:
    """Count the messages that wait in each queue, without those that a worker has received."""
    if services.broker is None:
        with app_of(services).connection_for_read() as connection:
            return {queue: _depth(connection, queue) for queue in all_queues()}
    return _redis_depths(services.broker)


def reach_broker(services: Services, timeout_s: float) -> None:
    """Connect to the broker once; raises an error of its library if it does not let us in within `timeout_s`."""
    with app_of(services).connection_for_write(connect_timeout=timeout_s) as connection:
        connection.ensure_connection(max_retries=1, timeout=timeout_s)


def priority_depths(connection: redis.Redis) -> dict[tuple[str, int], int]:
    """Count the messages that wait in each queue of a Redis by the step of their priority; 0 is served first."""
    keys = _queue_keys()
    with connection.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.llen(key)
        lengths = pipe.execute()
    names = (key.partition(PRIORITY_SEPARATOR) for key in keys)
    return {(queue, int(step or 0)): length for (queue, _, step), length in zip(names, lengths, strict=True)}


def _redis_depths(connection: redis.Redis) -> dict[str, int]:
    depths = dict.fromkeys(all_queues(), 0)
    for (queue, _), length in priority_depths(connection).items():
        depths[queue] += length
    return depths


def _depth(connection: Connection, queue: str) -> int:
    # One channel for each queue: a passive declare of a queue that no worker has declared yet closes the channel.
    channel = connection.channel()
    try:
        return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except connection.channel_errors:
        return 0
    finally:
        channel.close()


def _queue_keys(more: Iterable[str] = ()) -> list[str]:
    queues = sorted({*all_queues(), *more})
    return [f"{queue}{PRIORITY_SEPARATOR}{step}" if step else queue for queue in queues for step in range(10)]


def _task_id(message: Any) -> str | None:
    """The id of the task of a message; None of what is no message."""
    try:
        task_id = (message if isinstance(message, dict) else json.loads(message))["headers"]["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return str(task_id) if task_id else None
