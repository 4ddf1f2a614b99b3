"""The Celery queue `dead_letter`: messages that no task of ours can answer, each in an envelope with what it was.

An envelope is JSON: `reason`, `queue` (where the message was), `at` (seconds since 1970), `content_type`,
`content_encoding`, `headers`, `properties`, and `body` (base64). A process that is killed in the middle of a change
leaves a message twice, never none. The queue holds `MOST` messages: the oldest stay.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.messaging import Producer

from pipeline.engine.celery_app import app_of
from pipeline.engine.dead_letter_entries import QUEUE, count_entries, entries
from pipeline.engine.metrics import count_dead_letter
from pipeline.services import Services

__all__ = ["KEPT_PROPERTIES", "MOST", "DeadMessage", "depth", "peek", "purge", "put", "reprocess"]

log = structlog.get_logger()

MOST = 10_000
"""Messages that the queue holds; further ones are logged and dropped."""

KEPT_PROPERTIES = ("correlation_id", "reply_to", "priority", "expiration")
"""Properties with which a message is published again; all others are made anew."""

DROPPED_HEADERS = ("docrelay_handed_back",)
"""Headers that count what workers have done with a message: one that is sent again begins anew."""


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that was set aside; `id` is derived from its envelope."""

    id: str
    reason: str
    queue: str
    at: float
    content_type: str | None
    content_encoding: str | None
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    body: bytes

    @property
    def task(self) -> str | None:
        """The name of the task, as the message has it."""
        name = self.headers.get("task")
        return name if isinstance(name, str) else None


def put(services: Services, message: Mapping[str, Any], body: bytes) -> bool:
    """Put a message into the queue; the caller acknowledges it only after that.

    Args:
        services: those of this process.
        message: `reason`, `queue`, `content_type`, `content_encoding`, `headers` and `properties`.
        body: the message's body as it came.

    Returns:
        False if the queue is full: the message is logged and not kept.
    """
    if depth(services) >= MOST:
        log.error("dead_letter.full", queue=message["queue"], reason=message["reason"], most=MOST)
        count_dead_letter(services.redis, "dropped")
        return False
    envelope = {**message, "at": time.time(), "body": base64.b64encode(body).decode()}
    with app_of(services).connection_for_write() as connection:
        Producer(connection).publish(
            # A header may hold anything that a broker can carry.
            json.dumps(envelope, default=repr),
            routing_key=QUEUE,
            content_type="application/json",
            content_encoding="utf-8",
            declare=[Queue(QUEUE, routing_key=QUEUE)],
            retry=True,
        )
    count_dead_letter(services.redis, "received")
    return True


def depth(services: Services) -> int:
    """Count the messages in the queue."""
    return count_entries(services)


def peek(services: Services, limit: int, *, queue: str | None = None) -> list[DeadMessage]:
    """Read the oldest messages, which stay in the queue; `queue`: only those that were in this one before."""
    with entries(services) as found:
        messages = [message_of(entry.payload) for entry in found]
    return [message for message in messages if queue in (None, message.queue)][:limit]


def reprocess(services: Services, ids: Collection[str] = (), *, queue: str | None = None) -> int:
    """Publish messages again to the queues from which they came, then remove them here.

    Messages that arrive meanwhile, the same ones again among them, stay.

    Returns:
        How many were published.
    """
    with app_of(services).connection_for_write() as connection:
        number = _each(services, ids, queue, lambda message: _publish(connection, message))
    for _ in range(number):
        count_dead_letter(services.redis, "reprocessed")
    return number


def purge(services: Services, ids: Collection[str] = (), *, queue: str | None = None) -> int:
    """Remove messages.

    Returns:
        How many were removed.
    """
    return _each(services, ids, queue, lambda _: True)


def message_of(payload: bytes) -> DeadMessage:
    """The message in an envelope; of what is no envelope, a message of no queue with the payload as its body."""
    name = hashlib.sha256(payload).hexdigest()[:12]
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        data = json.loads(payload)
        return DeadMessage(
            id=name,
            reason=str(data["reason"]),
            queue=str(data["queue"]),
            at=float(data["at"]),
            content_type=data.get("content_type"),
            content_encoding=data.get("content_encoding"),
            headers=dict(data.get("headers") or {}),
            properties=dict(data.get("properties") or {}),
            body=base64.b64decode(data["body"]),
        )
    return DeadMessage(name, "This is no envelope of a message.", "", 0.0, None, None, {}, {}, payload)


def _each(services: Services, ids: Collection[str], queue: str | None, act: Callable[[DeadMessage], bool]) -> int:
    """Act on each chosen message, then remove it if that was done. Returns how many."""
    number = 0
    with entries(services) as found:
        for entry in found:
            message = message_of(entry.payload)
            is_chosen = (not ids or message.id in ids) and queue in (None, message.queue)
            if is_chosen and act(message):
                entry.remove()
                number += 1
    return number


def _publish(connection: Connection, message: DeadMessage) -> bool:
    if not message.queue:
        return False
    properties = {
        name: message.properties[name] for name in KEPT_PROPERTIES if message.properties.get(name) is not None
    }
    Producer(connection).publish(
        message.body,
        routing_key=message.queue,
        content_type=message.content_type or "application/data",
        content_encoding=message.content_encoding or "binary",
        headers={name: value for name, value in message.headers.items() if name not in DROPPED_HEADERS},
        retry=True,
        **properties,
    )
    return True
