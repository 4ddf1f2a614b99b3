"""The fields of a hash in Redis that holds numbers by labels."""

from __future__ import annotations

from typing import Any

import redis

__all__ = ["Labels", "read_fields"]

Labels = tuple[str, ...]
"""Values of the labels of a counter or histogram, in the order of their names."""


def read_fields(connection: redis.Redis, key: str, parts: int) -> list[tuple[Labels, float]]:
    """Fields of a hash, each split into so many parts, with their numbers. Raises redis.RedisError."""
    fields: Any = connection.hgetall(key)
    return [(_split(name.decode(), parts), float(value)) for name, value in fields.items()]


def _split(name: str, parts: int) -> Labels:
    return tuple(name.split("/", parts - 1)) if parts else ()
