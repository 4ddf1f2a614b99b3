"""The pulse: a sign of life that each process of the stack writes to Redis every second, in a thread."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from itertools import count

import redis

__all__ = ["PULSE_KEY", "start_pulse"]

PULSE_KEY = "docrelay:pulse:"
"""Prefix of the Redis key with the pid of a process and a number that grows."""

EVERY_S = 1.0
TTL_S = 7 * 86400


def start_pulse(connection: redis.Redis, name: str) -> None:
    """Give a sign of life every second from now on, as long as the process lives."""
    threading.Thread(target=_beat, args=(connection, name), name="pulse", daemon=True).start()


def _beat(connection: redis.Redis, name: str) -> None:
    for number in count():
        with suppress(redis.RedisError):  # who reads it learns itself that Redis is away
            connection.set(PULSE_KEY + name, f"{os.getpid()} {number}", ex=TTL_S)
        time.sleep(EVERY_S)
