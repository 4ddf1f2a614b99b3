"""Read the broker: messages that wait in queues, and those that a worker has received and not acknowledged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import redis
from kombu.connection import Connection

from pipeline.engine.celery_app import all_queues, app_of
from pipeline.engine.heartbeat import text, unacked_key
from pipeline.services import Services

__all__ = [
    "PRIORITIES",
    "QueueContent",
    "Received",
    "held_tasks",
    "holding_workers",
    "queue_contents",
    "queue_depths",
    "reach_broker",
    "received_tasks",
]

PRIORITY_SEPARATOR = "\x06\x16"


PRIORITIES = range(10, 0, -1)
"""From the most urgent, the first of ten lists of a queue, to the least."""


@dataclass(frozen=True, slots=True)
class QueueContent:
    """Messages that wait in a queue, without those that workers have received.

    `priorities` are their numbers by priority from 10 to 1, and `oldest` the task of the oldest message of each; both
    are empty where the broker does not say it.
    """

    depth: int
    priorities: dict[int, int] = field(default_factory=dict)
    oldest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """A message that a worker has received and not acknowledged: of which queue, and when it is due, if that is set.

    `eta` is in seconds since 1970.
    """

    node: str
    queue: str
    eta: float | None


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
    return {queue: content.depth for queue, content in queue_contents(services).items()}


def reach_broker(services: Services, timeout_s: float) -> None:
    """Connect to the broker once; raises an error of its library if it does not let us in within `timeout_s`."""
    with app_of(services).connection_for_write(connect_timeout=timeout_s) as connection:
        connection.ensure_connection(max_retries=0, timeout=timeout_s)


def queue_contents(services: Services) -> dict[str, QueueContent]:
    """What waits in each queue of this installation."""
    if services.broker is None:
        return {queue: QueueContent(depth) for queue, depth in queue_depths(services).items()}
    keys = _queue_keys()
    with services.broker.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.llen(key)
            pipe.lindex(key, -1)
        answers = pipe.execute()
    of_lists = dict(zip(keys, zip(answers[::2], answers[1::2], strict=True), strict=True))
    return {queue: _content(queue, of_lists) for queue in all_queues()}


def _content(queue: str, of_lists: dict[str, tuple[int, Any]]) -> QueueContent:
    lists = [of_lists[key] for key in _keys_of(queue)]
    oldest = (_task_id(message) for _, message in lists if message is not None)
    numbers = {priority: length for priority, (length, _) in zip(PRIORITIES, lists, strict=True) if length}
    return QueueContent(sum(numbers.values()), numbers, tuple(task_id for task_id in oldest if task_id))


def received_tasks(services: Services, nodes: Iterable[str]) -> dict[str, Received] | None:
    """The messages that these workers have received and not acknowledged, by the ids of their tasks.

    Returns:
        None where the broker cannot list them.
    """
    if services.broker is None:
        return None
    names = list(nodes)
    with services.broker.pipeline(transaction=False) as pipe:
        for node in names:
            pipe.hvals(unacked_key(node))
        answers = pipe.execute()
    received: dict[str, Received] = {}
    for node, entries in zip(names, answers, strict=True):
        for message, _, queue in map(json.loads, entries):
            if task_id := _task_id(message):
                received[task_id] = Received(node, queue, _eta(message))
    return received


def _eta(message: dict[str, Any]) -> float | None:
    """When the task of a message is due, in seconds since 1970; None for at once."""
    eta = message["headers"].get("eta")
    try:
        moment = datetime.fromisoformat(eta) if isinstance(eta, str) else None
    except ValueError:  # a message of another program
        return None
    # Celery counts in UTC, and names no zone where a setting says so.
    return None if moment is None else (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


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
    return [key for queue in queues for key in _keys_of(queue)]


def _keys_of(queue: str) -> list[str]:
    """The lists of a queue, from the most urgent priority to the least."""
    return [f"{queue}{PRIORITY_SEPARATOR}{step}" if step else queue for step in range(10)]


def _task_id(message: Any) -> str | None:
    """The id of the task of a message; None of what is no message."""
    try:
        task_id = (message if isinstance(message, dict) else json.loads(message))["headers"]["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return str(task_id) if task_id else None
