"""The part of `TaskManager` that is about messages which no task could answer: the queue of dead letters."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pipeline.results import MessageList, MessageRecord, iso
from pipeline.services import Services

if TYPE_CHECKING:
    from pipeline.engine.dead_letter_queue import DeadMessage

__all__ = ["MessageManager"]


class MessageManager:
    """Messages that were set aside: a task of an unknown name, or a body that cannot be read."""

    def __init__(self, services: Services) -> None:
        self._services = services

    # A process that only reads the status needs no engine, and no Celery with it: its imports are late.

    def messages(self, *, queue: str | None = None, limit: int = 100) -> MessageList:
        """List the oldest messages; they stay where they are. `queue`: only those that were in this one before."""
        from pipeline.engine import dead_letter_queue

        found = dead_letter_queue.peek(self._services, limit, queue=queue)
        return MessageList(
            messages=[_record(message) for message in found], total=dead_letter_queue.depth(self._services)
        )

    def reprocess_messages(self, ids: Collection[str] = (), *, queue: str | None = None) -> int:
        """Send messages again to the queues where they were, all by default. Returns how many."""
        from pipeline.engine import dead_letter_queue

        return dead_letter_queue.reprocess(self._services, ids, queue=queue)

    def purge_messages(self, ids: Collection[str] = (), *, queue: str | None = None) -> int:
        """Forget messages, all by default. Returns how many."""
        from pipeline.engine import dead_letter_queue

        return dead_letter_queue.purge(self._services, ids, queue=queue)


def _record(message: DeadMessage) -> MessageRecord:
    task_id = message.headers.get("id")
    return MessageRecord(
        id=message.id,
        reason=message.reason,
        queue=message.queue,
        at=iso(message.at),
        task=message.task,
        task_id=task_id if isinstance(task_id, str) else None,
        size=len(message.body),
        headers=dict(message.headers),
    )
