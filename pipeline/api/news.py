"""News of jobs, as this process hears them: one subscription for all who follow."""

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

__all__ = ["News"]

log = structlog.get_logger()

AGAIN_S = 1.0


class News:
    """Wakes who follows a job when something has happened; a hint only, the catalog knows what."""

    def __init__(self, services: Services) -> None:
        self._url = services.settings.redis_url or ""
        self._most = services.settings.api_followers
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._count = 0

    @contextmanager
    def of(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at every news of the job.

        Raises:
            Busy: there are as many followers as there may be.
        """
        if self._count >= self._most:
            raise Busy("There are as many event streams as this process serves.")
        event = asyncio.Event()
        self._followers[job_id].add(event)
        self._count += 1
        try:
            yield event
        finally:
            self._count -= 1
            self._followers[job_id].discard(event)
            if not self._followers[job_id]:
                del self._followers[job_id]

    async def listen(self) -> None:
        """Hear the news until cancelled; a Redis that is away is waited for."""
        while True:
            try:
                await self._hear()
            except (redis.RedisError, OSError) as error:
                log.warning("news.lost", error=str(error))
            except Exception:  # the task's door: who follows looks by himself until it hears again
                log.exception("news.lost")
            await asyncio.sleep(AGAIN_S)

    async def _hear(self) -> None:
        channel = f"{PREFIX}news:"
        async with (
            redis.asyncio.Redis.from_url(self._url, socket_connect_timeout=5, health_check_interval=10) as client,
            client.pubsub(ignore_subscribe_messages=True) as heard,
        ):
            await heard.psubscribe(channel + "*")
            while True:
                message = await heard.get_message(timeout=5.0)
                if message is not None:
                    for event in self._followers.get(message["channel"].decode().removeprefix(channel), ()):
                        event.set()
