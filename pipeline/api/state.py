"""What the routes work with: the engine's services, and what this process runs beside the requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import Depends, FastAPI, Request

from pipeline.api.news import News
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.engine.admission import admit_safely
from pipeline.ingest.path_jobs import PathJobRunner
from pipeline.notify.delivery import deliver_until_cancelled
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

__all__ = ["Admission", "Door", "DoorOf", "opened"]

log = structlog.get_logger()

UPLOADS_AT_ONCE = 16
SPACING_S = 0.05
"""What comes within this time is admitted together."""

LATER_S = 0.01
"""Admission begins when the answer is on its way: both would compete for the interpreter."""


class Admission:
    """Sends on what was taken, in a thread: whoever submits does not wait for the broker."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._news = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="admission", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something new; called in the event loop."""
        asyncio.get_running_loop().call_later(LATER_S, self._news.set)

    def close(self) -> None:
        """Admit no more; the workers do it from here on."""
        self._ended.set()
        self._news.set()
        self._thread.join(5.0)

    def _work(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            if self._ended.is_set():
                return
            try:
                admit_safely(self._services)
            except Exception:  # the thread's door: the next news begin anew
                log.exception("admission.failed")
            self._ended.wait(SPACING_S)


@dataclass(frozen=True)
class Door:
    """The API of one process; `embedded` allows loopback without keys."""

    services: Services
    manager: TaskManager
    writer: GroupWriter
    admission: Admission
    orders: PathJobRunner
    news: News
    uploads: ThreadPoolExecutor
    embedded: bool

    @property
    def settings(self) -> Settings:
        """The settings of the process."""
        return self.services.settings


@asynccontextmanager
async def opened(services: Services, *, embedded: bool) -> AsyncIterator[Door]:
    """The door, with its threads and tasks, for as long as the process serves."""
    writer = GroupWriter(services.catalog)
    door = Door(
        services,
        TaskManager(services),
        writer,
        Admission(services),
        PathJobRunner(services),
        News(services),
        ThreadPoolExecutor(UPLOADS_AT_ONCE, "upload"),
        embedded,
    )
    beside = [asyncio.create_task(deliver_until_cancelled(services)), asyncio.create_task(door.news.listen())]
    try:
        yield door
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await asyncio.to_thread(_close, door)


def _close(door: Door) -> None:
    door.uploads.shutdown()
    door.admission.close()
    door.orders.close()


async def _door(request: Request) -> Door:  # as a plain function it would be called in a thread
    app: FastAPI = request.app
    found: Door = app.state.door
    return found


DoorOf = Annotated[Door, Depends(_door)]
