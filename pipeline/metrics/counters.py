"""Counters and histograms that processes keep in Redis: work of the stages, ends of documents, notifications, requests.

Where the labels are known beforehand, their series begin at 0: Prometheus sees no rise in the first value of a series.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

import redis
from prometheus_client.core import Metric

from pipeline.counters import Counter, Histogram, Labels
from pipeline.engine import metrics
from pipeline.metrics import families
from pipeline.names import STAGES
from pipeline.notify.registry import channels
from pipeline.settings import Settings

__all__ = ["counters", "histograms"]


class CounterRow(NamedTuple):
    """A counter in Redis as a metric; `known` are labels that are there from the beginning."""

    name: str
    about: str
    counter: Counter
    known: Iterable[Labels] = ()


class HistogramRow(NamedTuple):
    """A histogram in Redis as a metric; `known` are labels that are there from the beginning."""

    name: str
    about: str
    histogram: Histogram
    known: Iterable[Labels] = ()


OUTCOMES = ("completed", "unchanged", "failed", "cancelled")
OF_STAGES = tuple((name,) for name in STAGES)

COUNTERS = (
    CounterRow(
        "docrelay_stage_tasks", "Tasks by how they ended.", metrics.TASKS, tuple(product(STAGES, metrics.TASK_OUTCOMES))
    ),
    CounterRow("docrelay_stage_seconds", "Time spent in tasks.", metrics.SECONDS, OF_STAGES),
    CounterRow(
        "docrelay_dead_letters",
        "Messages set aside by what became of them.",
        metrics.DEAD_LETTERS,
        [(name,) for name in metrics.DEAD_LETTER_OUTCOMES],
    ),
    CounterRow("docrelay_rescued_tasks", "Tasks published again.", metrics.RESCUES, OF_STAGES),
    CounterRow(
        "docrelay_documents_ended", "Ends of documents.", metrics.DOCUMENTS_ENDED, [(name,) for name in OUTCOMES]
    ),
    CounterRow("docrelay_document_failures", "Failures of documents by code.", metrics.FAILURES),
)
"""Counters whose labels do not follow from the settings. Which codes failures will have is not known beforehand."""

HISTOGRAMS = (
    HistogramRow("docrelay_stage_duration_seconds", "Duration of tasks.", metrics.STAGE_DURATION, OF_STAGES),
    HistogramRow(
        "docrelay_document_duration_seconds",
        "Time from record to end.",
        metrics.DOCUMENT_DURATION,
        [(name,) for name in OUTCOMES if name != "unchanged"],
    ),
    HistogramRow("docrelay_http_request_duration_seconds", "Duration of HTTP requests.", metrics.HTTP_DURATION),
)


def counters(connection: redis.Redis, settings: Settings) -> Iterator[Metric]:
    """Every counter. Raises redis.RedisError."""
    for row in (*COUNTERS, _notifications(settings)):
        values = {**dict.fromkeys(row.known, 0.0), **row.counter.read(connection)}
        yield families.counter(row.name, row.about, row.counter.labels, values)
    chunks = {origin: number for (origin,), number in metrics.CHUNKS.read(connection).items()}
    for name, about, origin in (
        ("docrelay_chunks_embedded", "Texts that the model has embedded.", "embedded"),
        ("docrelay_chunks_cached", "Chunks whose vectors were in the cache.", "cached"),
    ):
        yield families.counter(name, about, (), {(): chunks.get(origin, 0.0)})


def histograms(connection: redis.Redis) -> Iterator[Metric]:
    """Every histogram. Raises redis.RedisError."""
    for row in HISTOGRAMS:
        values = {**dict.fromkeys(row.known, row.histogram.empty), **row.histogram.read(connection)}
        yield families.histogram(row.name, row.about, row.histogram.labels, values)


def _notifications(settings: Settings) -> CounterRow:
    known = tuple(product(channels(settings), metrics.NOTIFICATION_OUTCOMES))
    return CounterRow(
        "docrelay_notifications", "Tries of notifications by how they ended.", metrics.NOTIFICATIONS, known
    )
