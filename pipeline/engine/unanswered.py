"""Messages that this worker cannot answer: an unknown task, a newer version, or content that cannot be read.

Celery acknowledges them and forgets them. Here no message is acknowledged before it is somewhere else: what another
worker may answer goes back to its queue after a pause, everything else to the queue `dead_letter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from celery.worker.consumer import Consumer
from kombu.messaging import Producer

from pipeline.catalog.work import ledger
from pipeline.engine import dead_letter_queue
from pipeline.engine.celery_app import app_of
from pipeline.engine.dead_letter_queue import KEPT_PROPERTIES
from pipeline.engine.heartbeat import served_capabilities
from pipeline.engine.message_version import MESSAGE_VERSION, version_of
from pipeline.engine.process import Worker
from pipeline.names import task_name
from pipeline.services import Services

__all__ = ["HANDED_BACK", "MOST_HAND_BACKS", "consumer_class", "set_aside"]

log = structlog.get_logger()

HANDED_BACK = "docrelay_handed_back"
"""Header of a message: how often workers have returned it to its queue."""

MOST_HAND_BACKS = 100
MALFORMED = (KeyError, TypeError, ValueError, AttributeError)
"""What Celery raises at headers that are missing or of the wrong type, and does not catch: it would end the worker, and
the message, which comes back, the next one."""

PAUSE_S = 5.0
"""A worker keeps a message for so long before it hands it back."""


def set_aside(services: Services, message: Any, reason: str) -> None:
    """Put a message into the queue `dead_letter`, then acknowledge it. Raises errors of the broker."""
    log.error("message.set_aside", reason=reason, queue=_queue(message), headers=repr(message.headers)[:1000])
    record = {
        "reason": reason,
        "queue": _queue(message),
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "headers": message.headers,
        "properties": message.properties,
    }
    dead_letter_queue.put(services, record, _body(message))
    message.ack()


def hand_back(services: Services, message: Any) -> None:
    """Publish a message again at the end of its queue, then acknowledge it. Raises errors of the broker."""
    headers = {**message.headers, HANDED_BACK: _times(message.headers) + 1}
    kept = {name: message.properties[name] for name in KEPT_PROPERTIES if message.properties.get(name) is not None}
    with app_of(services).connection_for_write() as connection:
        Producer(connection).publish(
            _body(message),
            routing_key=_queue(message),
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            headers=headers,
            retry=True,
            **kept,
        )
    message.ack()


def can_be_answered(services: Services, message: Any) -> bool:
    """Whether another worker may answer the message: it has the task, or the ledger still waits for one that has.

    In the second case the documents fail after `no_worker_s`, and the message is of no use any more.
    """
    name = str(message.headers.get("task"))
    if not name.startswith(task_name("")) or _times(message.headers) >= MOST_HAND_BACKS:
        return False
    if f"{name.removeprefix(task_name(''))}@{_queue(message)}" in served_capabilities(services.redis):
        return True
    with services.catalog.connect() as connection:
        return ledger.is_open(connection, str(message.headers.get("id")))


class KeepingConsumer(Consumer):  # type: ignore[misc]  # Celery has no types
    """Celery's consumer, which sets aside or hands back what Celery discards."""

    worker: Worker

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Return the handler of each message that is received."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> Any:
            if version_of(message.headers) > MESSAGE_VERSION:
                return self._hand_back_or_set_aside(message, f"Its version is newer than {MESSAGE_VERSION}.")
            try:
                return handle(message)
            except MALFORMED as error:
                return self.on_invalid_task(None, message, error)

        return on_task_received

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Handle a message without the header of a task."""
        self._safely(message, lambda: set_aside(self._services, message, "It names no task."))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Handle a task that this worker does not have."""
        self._hand_back_or_set_aside(message, f"This worker has no task {message.headers.get('task')}.")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Handle a message whose arguments are none, or whose type of content is not accepted."""
        self._safely(message, lambda: set_aside(self._services, message, f"It is no valid task: {_text(exc)}"))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Handle a message whose content cannot be read."""
        self._safely(message, lambda: set_aside(self._services, message, f"It cannot be read: {exc}"))

    @property
    def _services(self) -> Services:
        return self.worker.runtime().services

    def _hand_back_or_set_aside(self, message: Any, reason: str) -> None:
        def act() -> None:
            if can_be_answered(self._services, message):
                log.warning("message.handed_back", reason=reason, task=message.headers.get("id"))
                self._later(lambda: self._safely(message, lambda: hand_back(self._services, message)))
            else:
                set_aside(self._services, message, reason)

        self._safely(message, act)

    def _safely(self, message: Any, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # an entry point: whatever it is, the message is not lost
            log.exception("message.kept", error=str(error))
            self._later(lambda: message.reject_log_error(log, self.connection_errors, requeue=True))

    def _later(self, act: Callable[[], None]) -> None:
        # The message that waits here takes no place of one that can be worked on.
        self.qos.increment_eventually()

        def end() -> None:
            self.qos.decrement_eventually()
            act()

        self.timer.call_after(PAUSE_S, end)


def consumer_class(worker: Worker) -> type[KeepingConsumer]:
    """Return the class of the consumer of this worker."""
    return type("WorkersConsumer", (KeepingConsumer,), {"worker": worker})


def _text(error: Exception) -> str:
    # The text of a KeyError is the bare name of what is missing.
    return f"{type(error).__name__}: {error}" if isinstance(error, MALFORMED) else str(error)


def _times(headers: Mapping[str, Any]) -> int:
    times = headers.get(HANDED_BACK, 0)
    return times if isinstance(times, int) else MOST_HAND_BACKS


def _queue(message: Any) -> str:
    return str((message.delivery_info or {}).get("routing_key") or "")


def _body(message: Any) -> bytes:
    body = message.body
    return body.encode() if isinstance(body, str) else bytes(body)
