"""Counters and histograms in Redis, which all processes add to; they begin at 0 again when Redis loses its data.

Each is one hash. A field joins the values of its labels by slashes, so that only the last of them may hold a slash. A
histogram has a field more in front, which is the upper bound of a bucket in seconds, or `sum`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import redis

__all__ = ["Counter", "Distribution", "Histogram", "Labels"]

Labels = tuple[str, ...]
"""Values of the labels of a counter or histogram, in the order of their names."""

SUM = "sum"
INFINITE = "+Inf"


@dataclass(frozen=True, slots=True)
class Counter:
    """A number for each combination of labels that only grows.

    Args:
        key: its key in Redis.
        labels: names of its labels.
    """

    key: str
    labels: Labels = ()

    def add(self, pipe: redis.client.Pipeline, labels: Labels = (), amount: float = 1) -> None:
        """Add to the number of these labels when the pipeline is executed."""
        if isinstance(amount, int):
            pipe.hincrby(self.key, "/".join(labels), amount)
        else:
            pipe.hincrbyfloat(self.key, "/".join(labels), amount)

    def read(self, connection: redis.Redis) -> dict[Labels, float]:
        """The numbers by labels. Raises redis.RedisError."""
        return {_split(name, len(self.labels)): value for name, value in _fields(connection, self.key)}


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many observations were at most as long as each bound, and the sum of all in seconds.

    `counts` are cumulative and in the order of the bounds; the last one, whose bound is infinite, counts all.
    """

    bounds: tuple[str, ...]
    counts: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations for each combination of labels, counted by buckets.

    Args:
        key: its key in Redis.
        labels: names of its labels.
        bounds: upper bounds of the buckets in seconds, ascending; one without a bound is added. Values that were
            counted with other bounds stay valid: they count in the next bucket above.
    """

    key: str
    labels: Labels
    bounds: tuple[float, ...] = field(repr=False)

    def add(self, pipe: redis.client.Pipeline, labels: Labels, seconds: float) -> None:
        """Count one duration when the pipeline is executed."""
        place = bisect_left(self.bounds, seconds)
        bound = _text(self.bounds[place]) if place < len(self.bounds) else INFINITE
        pipe.hincrby(self.key, "/".join((bound, *labels)), 1)
        pipe.hincrbyfloat(self.key, "/".join((SUM, *labels)), seconds)

    def read(self, connection: redis.Redis) -> dict[Labels, Distribution]:
        """The distributions by labels. Raises redis.RedisError."""
        parts: dict[Labels, dict[str, float]] = defaultdict(dict)
        for name, value in _fields(connection, self.key):
            bound, *labels = _split(name, len(self.labels) + 1)
            parts[tuple(labels)][bound] = value
        return {labels: self._distribution(numbers) for labels, numbers in parts.items()}

    def _distribution(self, numbers: dict[str, float]) -> Distribution:
        limits = (*self.bounds, float("inf"))
        by_limit = {float(bound): int(number) for bound, number in numbers.items() if bound != SUM}
        counts = tuple(sum(number for bound, number in by_limit.items() if bound <= limit) for limit in limits)
        return Distribution((*map(_text, self.bounds), INFINITE), counts, numbers.get(SUM, 0.0))


def _fields(connection: redis.Redis, key: str) -> list[tuple[str, float]]:
    fields: Any = connection.hgetall(key)
    return [(name.decode(), float(value)) for name, value in fields.items()]


def _split(name: str, parts: int) -> Labels:
    return tuple(name.split("/", parts - 1)) if parts else ()


def _text(bound: float) -> str:
    return f"{bound:g}"
