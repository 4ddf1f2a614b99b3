"""Threads for requests of one kind that take long: they take no thread of the others, and few of them wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from pipeline.errors import Busy

__all__ = ["BoundedThreads"]

P = ParamSpec("P")
T = TypeVar("T")


class BoundedThreads:
    """Threads that live as long as the process, and a bound on the requests that wait for one.

    A request that waits is one of the `api_requests` that are served at once: without a bound, one caller with many
    slow requests would leave none for others.

    Args:
        name: of the threads.
        threads: requests that are carried out at once.
        waiting: further requests that may wait.
    """

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, name)
        self._name = name
        self._most = threads + waiting
        self._taken = 0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in one of the threads; log lines there have the ids of the request.

        Raises:
            Busy: too many requests wait already.
        """
        if self._taken >= self._most:
            raise Busy(f"Too many requests of one kind ({self._name}) wait already.")
        self._taken += 1
        context, loop = copy_context(), asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, lambda: context.run(function, *args, **kwargs))
        finally:
            self._taken -= 1

    def close(self) -> None:
        """End the threads when they have carried out what they have begun; what waits is not begun."""
        self._pool.shutdown(cancel_futures=True)
