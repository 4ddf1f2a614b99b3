"""What is in the queue `dead_letter`, on each broker: read without taking, and removed one by one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis

from pipeline.engine.broker import PRIORITY_SEPARATOR
from pipeline.engine.celery_app import app_of
from pipeline.services import Services

__all__ = ["QUEUE", "Entry", "count_entries", "entries"]

QUEUE = "dead_letter"
"""The queue; no worker consumes it."""

PRIORITIES = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of the queue: its body, and how it is removed."""

    payload: bytes
    remove: Callable[[], None]


@contextmanager
def entries(services: Services) -> Iterator[Sequence[Entry]]:
    """The messages of this moment, oldest first. Those that are not removed are in the queue again afterwards."""
    if services.broker is not None:
        yield _redis_entries(services.broker)
        return
    with app_of(services).connection_for_read() as connection, connection.channel() as channel:
        found: list[Entry] = []
        for _ in range(_amqp_count(connection)):
            message = channel.basic_get(QUEUE)
            if message is None:
                break
            body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
            found.append(Entry(body, partial(channel.basic_ack, message.delivery_tag)))
        # Closing the channel puts what was not acknowledged back into its place.
        yield found


def count_entries(services: Services) -> int:
    """Count the messages of the queue."""
    if services.broker is not None:
        with services.broker.pipeline(transaction=False) as pipe:
            for key in _keys():
                pipe.llen(key)
            return sum(pipe.execute())
    with app_of(services).connection_for_read() as connection:
        return _amqp_count(connection)


def _redis_entries(connection: redis.Redis) -> list[Entry]:
    found: list[Entry] = []
    for key in _keys():
        raws: Any = connection.lrange(key, 0, -1)
        # kombu appends at the head and takes from the tail.
        found += [Entry(_payload(raw), partial(_remove, connection, key, raw)) for raw in reversed(raws)]
    return found


def _remove(connection: redis.Redis, key: str, raw: bytes) -> None:
    connection.lrem(key, -1, raw)  # type: ignore[arg-type]  # redis-py wants a text, and takes bytes


def _payload(raw: bytes) -> bytes:
    """The body of a message as kombu keeps it in Redis; of anything else, what it is."""
    try:
        message = json.loads(raw)
        body = message["body"]
        is_encoded = message["properties"].get("body_encoding") == "base64"
        return base64.b64decode(body) if is_encoded else str(body).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return raw


def _keys() -> list[str]:
    return [f"{QUEUE}{PRIORITY_SEPARATOR}{step}" if step else QUEUE for step in range(PRIORITIES)]


def _amqp_count(connection: Any) -> int:
    # A channel of its own: a passive declare of a queue that was never declared closes it.
    channel = connection.channel()
    try:
        return int(channel.queue_declare(queue=QUEUE, passive=True).message_count)
    except connection.channel_errors:
        return 0
    finally:
        channel.close()
