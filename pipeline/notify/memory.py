"""What the processes that look keep in Redis, for all of them and for the time after them."""

from __future__ import annotations

import time
from collections.abc import Mapping

import redis

from pipeline.engine.heartbeat import text
from pipeline.names import PREFIX

__all__ = ["FORGOTTEN_S", "HOSTS", "KEPT_S", "note_host"]

FORGOTTEN_S = 86400.0
"""A host or a worker that was not seen for this time is not expected any more."""

HOSTS = f"{PREFIX}notify_hosts"
"""Redis key of a hash: when a process of each host looked last, in seconds since 1970."""

KEPT_S = int(7 * FORGOTTEN_S)
"""What is kept in Redis goes after this time without a look."""


def note_host(connection: redis.Redis, host: str) -> Mapping[str, float]:
    """Note that a process of this host looks now.

    Returns:
        When a process of each host looked last, in seconds since 1970.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    now = time.time()
    with connection.pipeline() as pipe:
        pipe.hset(HOSTS, host, str(now))
        pipe.expire(HOSTS, KEPT_S)
        pipe.hgetall(HOSTS)
        *_, found = pipe.execute()
    hosts = {text(name): float(text(at)) for name, at in found.items()}
    if gone := [name for name, at in hosts.items() if abs(now - at) > KEPT_S]:
        connection.hdel(HOSTS, *gone)  # containers have another name with each start
    return hosts
