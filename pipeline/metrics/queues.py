"""Metrics of work that waits: messages by queue and priority, tasks by stage, batches before their admission."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import Metric

from pipeline.catalog.work.stage_load import StageLoad, WaitingBatches
from pipeline.counters import Labels
from pipeline.engine.broker import PRIORITIES, QueueContent
from pipeline.metrics.families import gauge, gauge_of_one, number
from pipeline.names import STAGES

__all__ = ["messages", "priority_messages", "tasks", "waiting"]


def messages(contents: Mapping[str, QueueContent], dead_letters: int) -> Iterator[Metric]:
    """Messages that wait in each queue, and those that no task could answer."""
    depths = {queue: content.depth for queue, content in contents.items()}
    yield number("docrelay_dead_letter_messages", "Messages that no task could answer.", dead_letters)
    yield gauge_of_one("docrelay_queue_messages", "Messages that wait.", "queue", depths)


def priority_messages(contents: Mapping[str, QueueContent]) -> Metric:
    """Messages that wait in each queue, by their priority."""
    values: dict[Labels, float] = {
        (queue, str(priority)): content.priorities.get(priority, 0)
        for queue, content in contents.items()
        for priority in PRIORITIES
    }
    return gauge("docrelay_queue_priority_messages", "Messages that wait by priority.", ("queue", "priority"), values)


def tasks(loads: Sequence[StageLoad], now: float | None = None) -> Iterator[Metric]:
    """Tasks of the catalog that wait or run, and how long ago the oldest that waits was last published.

    `now` is in seconds since 1970.
    """
    now = time.time() if now is None else now
    labels = ("stage", "priority")
    due: dict[Labels, float] = {(load.stage, str(load.priority)): load.due for load in loads}
    ages: dict[Labels, float] = {
        (load.stage, str(load.priority)): max(now - load.oldest_at, 0.0) for load in loads if load.oldest_at is not None
    }
    running = Counter(dict.fromkeys(STAGES, 0))
    for load in loads:
        running[load.stage] += load.running
    yield gauge("docrelay_tasks_due", "Tasks that wait for a worker.", labels, due)
    yield gauge_of_one("docrelay_tasks_running", "Tasks that a worker has claimed.", "stage", running)
    yield gauge(
        "docrelay_oldest_task_seconds", "Age of the oldest task that waits, since it was last published.", labels, ages
    )


def waiting(found: Sequence[WaitingBatches], now: float | None = None) -> Iterator[Metric]:
    """Batches that wait to be admitted, and the age of the oldest by priority; `now` in seconds since 1970."""
    now = time.time() if now is None else now
    ages = {str(row.priority): max(now - row.oldest_at, 0.0) for row in found}
    yield number("docrelay_waiting_batches", "Batches that wait to be admitted.", sum(row.batches for row in found))
    yield gauge_of_one(
        "docrelay_oldest_waiting_batch_seconds", "Age of the oldest batch that waits to be admitted.", "priority", ages
    )
