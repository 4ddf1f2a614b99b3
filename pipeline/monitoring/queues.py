"""Queues: what waits in each, how fast tasks come and go, and when it will be empty."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.names import STAGES
from pipeline.results import QueueStatus

if TYPE_CHECKING:
    from pipeline.engine.broker import QueueContent, Received

__all__ = ["RATED_S", "Rates", "drain_s", "list_queues", "waiting_received"]

FIRST = STAGES[0]
"""The queue to which batches come when they are admitted."""

RATED_S = 60.0
"""Seconds over which tasks that come and go are counted."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Tasks by step that were published and that have ended within `RATED_S`, and the queues of declared stages."""

    published: Mapping[str, int]
    ended: Mapping[str, int]
    queues: Mapping[str, str]

    def of(self, numbers: Mapping[str, int], queue: str) -> float:
        """Tasks a second of the steps of a queue."""
        return round(sum(number for step, number in numbers.items() if self._queue(step) == queue) / RATED_S, 3)

    def _queue(self, step: str) -> str:
        # A stage that a workflow uses again has a number behind its name; a built-in stage has a queue of its name.
        return self.queues.get(step) or self.queues.get(step.rpartition("-")[0], step)


def drain_s(waiting: int, rate_out: float) -> float | None:
    """Seconds until so many tasks are done at this rate; None while none ends."""
    if waiting == 0:
        return 0.0
    return round(waiting / rate_out, 1) if rate_out else None


def waiting_received(received: Mapping[str, Received] | None, at_work: Collection[str]) -> dict[str, int]:
    """How many messages of each queue workers have received and are not working on."""
    return Counter(message.queue for task_id, message in (received or {}).items() if task_id not in at_work)


def list_queues(
    contents: Mapping[str, QueueContent],
    published_at: Mapping[str, float],
    rates: Rates,
    reserved: Mapping[str, int],
    workers: Mapping[str, int],
    waiting_batches: int = 0,
) -> list[QueueStatus]:
    """The queues in their order.

    Args:
        contents: what waits in each.
        published_at: when the oldest tasks were published, in seconds since 1970.
        rates: how many tasks came and went.
        reserved: how many messages of each queue wait in workers.
        workers: how many living workers serve each queue.
        waiting_batches: how many batches wait to be admitted: each will be a task in the queue of the first stage.
    """
    now, queues = time.time(), list[QueueStatus]()
    for name, content in contents.items():
        rate_in, rate_out = rates.of(rates.published, name), rates.of(rates.ended, name)
        held = reserved.get(name, 0)
        queues.append(
            QueueStatus(
                name=name,
                depth=content.depth,
                priorities={str(priority): number for priority, number in content.priorities.items()},
                reserved=held,
                oldest_s=_age(content, published_at, now),
                rate_in=rate_in,
                rate_out=rate_out,
                drain_s=drain_s(content.depth + held + (waiting_batches if name == FIRST else 0), rate_out),
                workers=workers.get(name, 0),
            )
        )
    return queues


def _age(content: QueueContent, published_at: Mapping[str, float], now: float) -> float | None:
    times = [published_at[task_id] for task_id in content.oldest if task_id in published_at]
    return round(max(now - min(times), 0.0), 3) if times else None
