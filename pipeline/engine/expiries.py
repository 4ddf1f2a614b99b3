"""Keys that Redis shall drop soon: its clock decides when, and one that is set back keeps them for as long as that."""

from __future__ import annotations

from collections.abc import Mapping

import redis

__all__ = ["limit_expiries"]


def limit_expiries(connection: redis.Redis, longest_s: Mapping[str, float]) -> None:
    """Shorten the time that keys have left, where it is longer than any process sets it.

    Args:
        connection: Redis.
        longest_s: the longest time that each key is given, in seconds; keys that are not there are left out.
    """
    with connection.pipeline(transaction=False) as pipe:
        for key in longest_s:
            pipe.pttl(key)
        left_ms = pipe.execute()
        for (key, longest), left in zip(longest_s.items(), left_ms, strict=True):
            if left > longest * 1000:
                pipe.pexpire(key, round(longest * 1000))
        pipe.execute()
