"""Durations of requests: counted in the process, and added to those of all API processes in Redis every second."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

import redis
import structlog

from pipeline.engine.metrics import HTTP_DURATION

__all__ = ["RequestTimes"]

log = structlog.get_logger()

FLUSH_S = 1.0
MOST = 10_000
"""Durations that are kept while Redis is away; later ones are not counted."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestTime(NamedTuple):
    """One request that was served: `status` is a class such as 2xx."""

    method: str
    status: str
    route: str
    seconds: float


class RequestTimes:
    """The durations of one process that are not in Redis yet."""

    def __init__(self) -> None:
        # Its ends are safe to use from several threads: no request waits while another thread sends to Redis.
        self._observed: deque[RequestTime] = deque()

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one request.

        Args:
            method: its HTTP method; unknown ones count as OTHER, as a client can send any word.
            route: the template of its path, or `-` if no route matched.
            status: of the response; 0 where the client left before there was one, which is not noted.
            seconds: how long it took, the body of the response included.
        """
        if status and len(self._observed) < MOST:
            known = method if method in METHODS else "OTHER"
            self._observed.append(RequestTime(known, f"{status // 100}xx", route, seconds))

    def flush(self, connection: redis.Redis) -> None:
        """Add what was noted to Redis. While Redis is away it is kept."""
        observed = [self._observed.popleft() for _ in range(len(self._observed))]
        if not observed:
            return
        try:
            with connection.pipeline() as pipe:
                for method, status, route, seconds in observed:
                    HTTP_DURATION.add(pipe, (method, status, route), seconds)
                pipe.execute()
        except redis.RedisError as error:
            self._observed.extendleft(reversed(observed))
            log.warning("request_times.kept", error=str(error))

    async def flush_until_cancelled(self, connection: redis.Redis) -> None:
        """Flush every second, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                await asyncio.to_thread(self.flush, connection)
        finally:
            self.flush(connection)
