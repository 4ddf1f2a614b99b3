"""Slow requests of one kind leave room for all others: few run, few wait, and further ones are refused."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from pipeline.api.bounded_threads import BoundedThreads
from pipeline.errors import Busy

REQUEST = ContextVar("REQUEST", default="")


def test_requests_beyond_those_that_may_wait_are_refused_at_once() -> None:
    async def crowd() -> tuple[int, list[int]]:
        threads, end = BoundedThreads("report", 2, 3), threading.Event()

        def work(number: int) -> int:
            end.wait(60)
            return number

        asked = [asyncio.create_task(threads.run(work, number)) for number in range(128)]
        await asyncio.wait(asked[5:])  # they come in their order
        refused = [task for task in asked if task.done()]
        assert all(isinstance(task.exception(), Busy) for task in refused)
        end.set()
        results = [await task for task in asked if task not in refused]
        assert await threads.run(lambda: "later") == "later"
        threads.close()
        return len(refused), results

    refused, results = asyncio.run(crowd())
    assert (refused, results) == (123, [0, 1, 2, 3, 4])


def test_a_thread_knows_which_request_it_works_for() -> None:
    async def ask() -> str:
        threads = BoundedThreads("drawing", 1, 0)
        REQUEST.set("4711")
        try:
            return await threads.run(REQUEST.get)
        finally:
            threads.close()

    assert asyncio.run(ask()) == "4711"


def test_what_fails_and_what_is_given_up_makes_room() -> None:
    async def fail() -> None:
        threads = BoundedThreads("drawing", 1, 0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await threads.run(lambda: 1 // 0)
        begun, end = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            end.wait(60)

        asked = asyncio.create_task(threads.run(work))
        assert await asyncio.to_thread(begun.wait, 60)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        end.set()
        assert await threads.run(lambda: "next") == "next"
        threads.close()

    asyncio.run(fail())
