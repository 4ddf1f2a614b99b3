"""The message adversary: takes a message of a stage out of the broker's lists, doubles, delays or moves it."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress

import redis

from pipeline.names import STAGES

__all__ = ["MESSAGE_FAULTS", "meddle"]

MESSAGE_FAULTS = ("drop", "double", "delay", "reorder")
PATIENCE_S = 3.0
DELAY_S = 2.5


def meddle(connection: redis.Redis, what: str, chance: random.Random) -> str | None:
    """Do it to a random message that waits in a queue.

    Returns:
        The queue; None where all queues were empty.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        keys = _queues(connection)
        if keys:
            key = chance.choice(keys)
            message = connection.lindex(key, chance.randrange(max(connection.llen(key), 1)))
            if message is not None and _do(connection, what, key, message):
                return str(key.decode().partition("\x06\x16")[0])
        time.sleep(0.005)
    return None


def _queues(connection: redis.Redis) -> list[bytes]:
    names = [f"{stage}\x06\x16{step}" if step else stage for stage in STAGES for step in range(10)]
    with connection.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(name)
        lengths = pipe.execute()
    return [name.encode() for name, length in zip(names, lengths, strict=True) if length]


def _do(connection: redis.Redis, what: str, key: bytes, message: bytes) -> bool:
    if what == "double":
        connection.lpush(key, message)
        return True
    if not connection.lrem(key, 1, message):  # a worker was quicker
        return False
    if what == "reorder":
        connection.rpush(key, message)
    elif what == "delay":
        threading.Thread(target=_later, args=(connection, key, message), daemon=True).start()
    return True


def _later(connection: redis.Redis, key: bytes, message: bytes) -> None:
    time.sleep(DELAY_S)
    with suppress(redis.RedisError):
        connection.lpush(key, message)
