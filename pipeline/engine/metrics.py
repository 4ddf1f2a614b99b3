"""What processes count for `GET /metrics`: in Redis, where the API reaches it; lost when Redis loses its data.

Documents that have ended are counted by the reconciler, from the events in the catalog: `pipeline.engine.tally`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import redis

from pipeline.counters import Counter, Histogram
from pipeline.names import PREFIX

__all__ = [
    "CHUNKS",
    "DEAD_LETTERS",
    "DEAD_LETTER_OUTCOMES",
    "DOCUMENTS_ENDED",
    "DOCUMENT_DURATION",
    "FAILURES",
    "HTTP_DURATION",
    "NOTIFICATIONS",
    "NOTIFICATION_OUTCOMES",
    "RESCUES",
    "SECONDS",
    "STAGE_DURATION",
    "TASKS",
    "TASK_OUTCOMES",
    "count",
    "count_chunks",
    "count_dead_letter",
    "count_notification",
    "count_rescues",
    "counted",
    "counted_dead_letters",
]

METRICS = f"{PREFIX}metrics:"

TASKS = Counter(f"{METRICS}tasks", ("stage", "outcome"))
TASK_OUTCOMES = ("done", "failed", "retried", "lost", "paused", "revoked")
"""How a task ends: `lost` is one that another worker had done meanwhile, `paused` waits for room on the disk, and
`revoked` was not done, as its documents were cancelled through it."""

SECONDS = Counter(f"{METRICS}seconds", ("stage",))
DEAD_LETTERS = Counter(f"{METRICS}dead_letters", ("outcome",))
DEAD_LETTER_OUTCOMES = ("received", "dropped", "reprocessed")
CHUNKS = Counter(f"{METRICS}chunks", ("origin",))
"""Texts that were embedded, and chunks whose vectors were in the cache: `embedded`, `cached`."""

RESCUES = Counter(f"{METRICS}rescues", ("stage",))
NOTIFICATIONS = Counter(f"{METRICS}notifications", ("channel", "outcome"))
NOTIFICATION_OUTCOMES = ("delivered", "retried", "failed")
DOCUMENTS_ENDED = Counter(f"{METRICS}documents_ended", ("outcome",))
FAILURES = Counter(f"{METRICS}failures", ("code",))

STAGE_DURATION = Histogram(
    f"{METRICS}stage_duration",
    ("stage",),
    (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600),
)
DOCUMENT_DURATION = Histogram(
    f"{METRICS}document_duration",
    ("outcome",),
    (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600),
)
HTTP_DURATION = Histogram(
    f"{METRICS}http_duration",
    # The route comes last, as it holds slashes.
    ("method", "status", "route"),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def count(connection: redis.Redis, stage: str, outcome: str, seconds: float | None = None) -> None:
    """Count one task with one of `TASK_OUTCOMES`, and its time if it took some. Without Redis nothing is counted."""

    def add(pipe: redis.client.Pipeline) -> None:
        TASKS.add(pipe, (stage, outcome))
        if seconds is not None:
            SECONDS.add(pipe, (stage,), seconds)
            STAGE_DURATION.add(pipe, (stage,), seconds)

    _send(connection, add)


def count_chunks(connection: redis.Redis, facts: Mapping[str, Any]) -> None:
    """Count the texts that a task embedded, and the chunks whose vectors it found in the cache, if its facts say so."""
    numbers = {origin: facts[origin] for origin in ("embedded", "cached") if facts.get(origin)}

    def add(pipe: redis.client.Pipeline) -> None:
        for origin, number in numbers.items():
            CHUNKS.add(pipe, (origin,), number)

    if numbers:
        _send(connection, add)


def count_rescues(connection: redis.Redis, stages: Iterable[str]) -> None:
    """Count tasks that the reconciler published again, each with its stage."""

    def add(pipe: redis.client.Pipeline) -> None:
        for stage in stages:
            RESCUES.add(pipe, (stage,))

    _send(connection, add)


def count_notification(connection: redis.Redis, channel: str, outcome: str) -> None:
    """Count one try of a notification through a channel, with one of `NOTIFICATION_OUTCOMES`."""
    _send(connection, lambda pipe: NOTIFICATIONS.add(pipe, (channel, outcome)))


def counted(connection: redis.Redis) -> tuple[dict[tuple[str, ...], int], dict[str, float]]:
    """Return tasks by (stage, outcome), and seconds by stage. Raises redis.RedisError."""
    tasks = {labels: int(number) for labels, number in TASKS.read(connection).items()}
    return tasks, {stage: seconds for (stage,), seconds in SECONDS.read(connection).items()}


def count_dead_letter(connection: redis.Redis, outcome: str) -> None:
    """Count one message of the queue of dead letters, with one of `DEAD_LETTER_OUTCOMES`; it drops when it is full."""
    _send(connection, lambda pipe: DEAD_LETTERS.add(pipe, (outcome,)))


def counted_dead_letters(connection: redis.Redis) -> dict[str, int]:
    """Return the messages of the queue of dead letters by outcome. Raises redis.RedisError."""
    return {outcome: int(number) for (outcome,), number in DEAD_LETTERS.read(connection).items()}


def _send(connection: redis.Redis, add: Callable[[redis.client.Pipeline], None]) -> None:
    """Send what `add` puts into a pipeline; a count must not fail the work that is counted."""
    try:
        with connection.pipeline(transaction=False) as pipe:
            add(pipe)
            pipe.execute()
    except redis.RedisError:
        return
