"""Kombu's transport for Redis, for workers that lose connections and receive what is no message.

What is no message, which would end the worker, is set aside. After a failed acknowledgement the worker connects anew.
Each new connection begins with the return of all messages that Redis has noted as received by this worker.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from kombu.transport import redis

from pipeline.engine import dead_letter_queue
from pipeline.engine.heartbeat import text
from pipeline.engine.process import Worker

__all__ = ["is_message", "transport_class"]

log = structlog.get_logger()

REASON = "It is no message of Celery."


class KeepingChannel(redis.Channel):
    """A channel that looks at each entry of a queue before kombu takes it for a message, and at lost connections."""

    worker: Worker
    _is_checked = False

    def _brpop_read(self, **options: Any) -> Any:
        if not self._is_checked:
            self._check_entries()
        return super()._brpop_read(**options)  # type: ignore[no-untyped-call]

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Acknowledge a message; where that fails, the worker connects anew, and the message returns to its queue."""
        with self._reconnecting():
            super().basic_ack(delivery_tag, multiple=multiple)  # type: ignore[no-untyped-call]

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Return a message to its queue or drop it; where that fails, the same."""
        with self._reconnecting():
            super().basic_reject(delivery_tag, requeue=requeue)  # type: ignore[no-untyped-call]

    def return_received(self) -> None:
        """Return to their queues all messages that this worker has received and not acknowledged."""
        tags = [text(tag) for tag in self.client.hkeys(self.unacked_key)]
        for tag in tags:
            self.qos.restore_by_tag(tag, leftmost=True)
        if tags:
            log.warning("messages.returned", messages=len(tags))

    @contextmanager
    def _reconnecting(self) -> Iterator[None]:
        # Celery logs the error and goes on. The message then takes its place among those that may be received at once
        # until the worker ends: one with a single place would receive nothing more, and notice no lost connection.
        try:
            yield
        except self.connection_errors as error:
            self.connection.lose(error)
            raise

    def _check_entries(self) -> None:
        client, parse = self.client, self.client.parse_response

        def parse_response(connection: Any, command: str, **options: Any) -> Any:
            answer = parse(connection, command, **options)
            if command != "BRPOP" or not answer or is_message(answer[1]):
                return answer
            self._set_aside(*answer)
            return None  # as if nothing had come

        client.parse_response = parse_response
        self._is_checked = True

    def _set_aside(self, key: bytes, entry: bytes) -> None:
        queue = key.decode("utf-8", "replace").partition(self.sep)[0]
        log.error("message.set_aside", reason=REASON, queue=queue, entry=repr(entry[:1000]))
        record = {"reason": REASON, "queue": queue, "headers": {}, "properties": {}}
        dead_letter_queue.put(self.worker.runtime().services, record, entry)


class KeepingTransport(redis.Transport):
    """The transport with that channel."""

    _loop: Any = None

    @classmethod
    def __json__(cls) -> str:
        """How a worker names its transport in the answer to `celery inspect stats`, which kombu writes as JSON."""
        return str(cls.driver_type)

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Have the worker's event loop poll this transport, and remember the loop.

        Nothing has been received over the new connection yet. What is noted as received came over one that is lost: the
        worker may not know of it, as the answer of Redis was lost, or could not return it. The reconciler takes it to
        be in the hands of a living worker: it would stay there until that worker ends.
        """
        self._loop = loop
        channel = self.create_channel(connection)  # type: ignore[no-untyped-call]
        channel.return_received()
        channel.close()
        super().register_with_event_loop(connection, loop)  # type: ignore[no-untyped-call]

    def lose(self, error: BaseException) -> None:
        """Let the event loop raise the error of a lost connection at its next turn: the worker connects anew."""
        loop = self._loop
        if loop is None:
            return  # not polled by a worker

        def end() -> None:
            loop.on_tick.discard(end)
            raise error

        loop.on_tick.add(end)


def transport_class(worker: Worker) -> type[KeepingTransport]:
    """Return the class of the transport of this worker."""
    channel = type("WorkersChannel", (KeepingChannel,), {"worker": worker})
    return type("WorkersTransport", (KeepingTransport,), {"Channel": channel})


def is_message(entry: bytes) -> bool:
    """Whether an entry of a queue has the form in which kombu writes messages."""
    try:
        message = json.loads(entry)
    except (ValueError, RecursionError):
        return False
    properties = message.get("properties") if isinstance(message, Mapping) else None
    if not isinstance(properties, Mapping) or not isinstance(message.get("body"), str):
        return False
    delivery = properties.get("delivery_info")
    return (
        isinstance(properties.get("delivery_tag"), str)
        and isinstance(delivery, Mapping)
        and {"exchange", "routing_key"} <= delivery.keys()
        and isinstance(message.get("headers"), Mapping)
        and all(isinstance(message.get(name), str) for name in ("content-type", "content-encoding"))
        and _is_decodable(message["body"], properties.get("body_encoding"))
    )


def _is_decodable(body: str, encoding: object) -> bool:
    if encoding != "base64":
        return encoding is None
    try:
        base64.b64decode(body)
    except ValueError:
        return False
    return True
