"""Bodies that are written to the disk while they arrive: read in the event loop, handled in the threads of uploads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Protocol, TypeVar

from fastapi import Request

from pipeline.api.state import ApiState

__all__ = ["Receiver", "receive"]

BYTES_PER_CALL = 1 << 20
"""Bytes that are parsed and written in one call of a thread."""

Answer_co = TypeVar("Answer_co", covariant=True)
T = TypeVar("T")
U = TypeVar("U")


class Receiver(Protocol[Answer_co]):
    """Takes the body of one request. Its methods are called in threads, never two at once."""

    def feed(self, data: bytes) -> object:
        """Authenticate the sender, and take the next bytes."""

    def submit(self, last_bytes: bytes) -> Answer_co:
        """Take the last bytes, and carry out the request."""

    def drop(self) -> None:
        """Delete what has arrived: the request was broken off, or refused."""


async def receive(request: Request, api: ApiState, receiver: Receiver[T], last: Executor | None = None) -> T:
    """Pass the body of a request to its receiver as it arrives, and return the receiver's answer.

    Args:
        request: the request.
        api: its uploads' threads take the bytes.
        receiver: takes them.
        last: threads for the last call, which carries out the request; those of the uploads if it is None.
    """
    loop, context, pending = asyncio.get_running_loop(), copy_context(), bytearray()

    def call(threads: Executor, take: Callable[[bytes], U]) -> asyncio.Future[U]:
        """Pass on what has arrived; log lines of the thread have the ids of the request, by its context."""
        data = bytes(pending)
        pending.clear()
        return loop.run_in_executor(threads, lambda: context.run(take, data))

    try:
        async for data in request.stream():
            pending += data
            if len(pending) >= BYTES_PER_CALL:
                await call(api.uploads, receiver.feed)
        # A small body is taken and recorded in one call: each change of threads waits for a processor.
        return await call(last or api.uploads, receiver.submit)
    except BaseException:
        receiver.drop()
        raise
