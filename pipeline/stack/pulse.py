"""The pulse: each process of the stack writes to Redis every second that it is ready and lives, in a thread.

Both are written again and again: Redis may be away at any moment, or lose what it was sent last.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from itertools import count

import redis

__all__ = ["PULSE_KEY", "READY_KEY", "start_pulse"]

READY_KEY = "docrelay:ready:"
"""Prefix of the Redis key with the pid of a process that is ready, and its note."""

PULSE_KEY = "docrelay:pulse:"
"""Prefix of the Redis key with the pid of a process and a number that grows."""

EVERY_S = 1.0
TTL_S = 7 * 86400


def start_pulse(connection: redis.Redis, name: str, note: str = "") -> None:
    """Report from now on, as long as the process lives, that it is ready and lives.

    Args:
        connection: the Redis of the stack.
        name: the process.
        note: what `docrelay up` prints when the process is ready, such as a URL.
    """
    threading.Thread(target=_beat, args=(connection, name, note), name="pulse", daemon=True).start()


def _beat(connection: redis.Redis, name: str, note: str) -> None:
    pid = os.getpid()
    ready = f"{pid} {note}" if note else str(pid)
    for number in count():
        # Who reads it learns itself that Redis is away.
        with suppress(redis.RedisError), connection.pipeline(transaction=False) as pipe:
            pipe.set(READY_KEY + name, ready, ex=TTL_S)
            pipe.set(PULSE_KEY + name, f"{pid} {number}", ex=TTL_S)
            pipe.execute()
        time.sleep(EVERY_S)
