"""Metrics of beat and the reconciler: how long ago each did its work, and how long that may be."""

from __future__ import annotations

import math
from collections.abc import Iterator

import redis
from prometheus_client.core import Metric

from pipeline.engine.health import beat_patience_s, reconciler_patience_s
from pipeline.engine.heartbeat import beat_age_s, reconciled_age_s
from pipeline.metrics.families import number
from pipeline.settings import Settings

__all__ = ["periodic"]


def periodic(connection: redis.Redis, settings: Settings) -> Iterator[Metric]:
    """Ages and their limits; an age that is not known is infinite: an alert sees it. Raises redis.RedisError."""
    beat_s, reconciled_s = beat_age_s(connection), reconciled_age_s(connection)
    yield number("docrelay_beat_age_seconds", "Time since beat sent a periodic task.", _age(beat_s))
    yield number("docrelay_beat_patience_seconds", "Age at which beat counts as dead.", beat_patience_s(settings))
    yield number("docrelay_reconciler_age_seconds", "Time since the reconciler finished.", _age(reconciled_s))
    yield number(
        "docrelay_reconciler_patience_seconds",
        "Age at which something keeps the reconciler from finishing.",
        reconciler_patience_s(settings),
    )


def _age(seconds: float | None) -> float:
    return math.inf if seconds is None else max(seconds, 0.0)
