"""Wakes the event streams of jobs: one Redis subscription for all streams of this process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import redis
import redis.asyncio
import structlog

from pipeline.errors import Busy
from pipeline.names import PREFIX
from pipeline.services import Services

__all__ = ["JobSubscriptions"]

log = structlog.get_logger()

RECONNECT_S = 1.0


class JobSubscriptions:
    """Wakes the subscribers of a job when something has happened in it. What has happened is in the catalog."""

    def __init__(self, services: Services) -> None:
        self._url = services.settings.redis_url or ""
        self._limit = services.settings.api_followers
        self._subscribers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._count = 0

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something has happened in the job.

        Raises:
            Busy: the limit of subscribers is reached.
        """
        if self._count >= self._limit:
            raise Busy("There are as many event streams as this process serves.")
        event = asyncio.Event()
        self._subscribers[job_id].add(event)
        self._count += 1
        try:
            yield event
        finally:
            self._count -= 1
            self._subscribers[job_id].discard(event)
            if not self._subscribers[job_id]:
                del self._subscribers[job_id]

    async def listen(self) -> None:
        """Wake subscribers until cancelled, and reconnect when Redis was away."""
        while True:
            try:
                await self._listen()
            except (redis.RedisError, OSError) as error:
                log.warning("news.lost", error=str(error))
            except Exception:  # the entry point of the task; subscribers poll until it listens again
                log.exception("news.lost")
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        """Subscribe to the channels of all jobs, and wake the subscribers of a job at each message."""
        channel = f"{PREFIX}news:"
        async with (
            redis.asyncio.Redis.from_url(self._url, socket_connect_timeout=5, health_check_interval=10) as client,
            client.pubsub(ignore_subscribe_messages=True) as pubsub,
        ):
            await pubsub.psubscribe(channel + "*")
            while True:
                message = await pubsub.get_message(timeout=5.0)
                if message is not None:
                    job_id = message["channel"].decode().removeprefix(channel)
                    for event in self._subscribers.get(job_id, ()):
                        event.set()
