"""Durations counted by buckets, as Prometheus's histograms are."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

import redis

from pipeline.counters.fields import Labels, read_fields

__all__ = ["Distribution", "Histogram"]

SUM = "sum"
INFINITE = "+Inf"


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
        for (bound, *labels), value in read_fields(connection, self.key, len(self.labels) + 1):
            parts[tuple(labels)][bound] = value
        return {labels: self._distribution(numbers) for labels, numbers in parts.items()}

    @property
    def empty(self) -> Distribution:
        """The distribution of no duration."""
        return self._distribution({})

    def _distribution(self, numbers: dict[str, float]) -> Distribution:
        limits = (*self.bounds, float("inf"))
        by_limit = {float(bound): int(number) for bound, number in numbers.items() if bound != SUM}
        counts = tuple(sum(number for bound, number in by_limit.items() if bound <= limit) for limit in limits)
        return Distribution((*map(_text, self.bounds), INFINITE), counts, numbers.get(SUM, 0.0))


def _text(bound: float) -> str:
    return f"{bound:g}"
