"""A number for each combination of labels that only grows."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from pipeline.counters.fields import Labels, read_fields

__all__ = ["Counter"]


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
        return dict(read_fields(connection, self.key, len(self.labels)))
