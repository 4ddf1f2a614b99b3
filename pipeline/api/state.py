"""State that all requests of one API process share: services, threads and subscriptions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

import anyio
import structlog
from fastapi import Depends, FastAPI, Request

from pipeline.api.bounded_threads import BoundedThreads
from pipeline.api.known_callers import KnownCallers
from pipeline.api.request_times import RequestTimes
from pipeline.api.subscriptions import JobSubscriptions
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.engine.admission import admit_safely
from pipeline.errors import StackUnavailable
from pipeline.health import SystemHealth
from pipeline.ingest.expiry import sweep_until_cancelled
from pipeline.ingest.path_jobs import PathJobRunner
from pipeline.metrics import Metrics
from pipeline.notify.deadman import call_until_cancelled
from pipeline.notify.delivery import deliver_until_cancelled
from pipeline.notify.look_loop import look_until_cancelled
from pipeline.page_images import Renderers, prepare_pages
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

__all__ = ["Admission", "Api", "ApiState", "open_state"]

log = structlog.get_logger()

UPLOAD_THREADS = 16

IMPORT_THREADS = 4
"""Imports and deletions of text records at once: each may take minutes, and uploads must not wait for them."""

SPACING_S = 0.05
"""What is submitted within this time is admitted together."""

DRAWING_THREADS, DRAWING_WAITING = 12, 12
"""Requests for pages, which sandboxes draw few at once, and those that wait for a thread.

These threads live as long as the process; a sandbox would end with the thread that started it.
"""

PROBE_THREADS = 8
"""Threads of the probes of health: they wait neither for requests nor for uploads."""

REPORT_THREADS, REPORTS_WAITING = 2, 8
"""Reports that are made at once, and those that wait."""
SCRAPE_THREADS = 2
"""Threads that read metrics; a scrape that waits for one is ended by Prometheus."""

DELAY_S = 0.01
"""Admission begins when the response is on its way: both would compete for the interpreter."""


class Admission:
    """Admits submitted batches in a thread, so that a request does not wait for the broker."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="admission", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something was submitted; called in the event loop."""
        asyncio.get_running_loop().call_later(DELAY_S, self._wanted.set)

    def close(self) -> None:
        """End the thread; the workers admit what is left."""
        self._ended.set()
        self._wanted.set()
        self._thread.join(5.0)

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._ended.is_set():
                return
            try:
                admit_safely(self._services)
            except Exception:  # the entry point of the thread, which must live on for the next submission
                log.exception("admission.failed")
            self._ended.wait(SPACING_S)


@dataclass(frozen=True)
class ApiState:
    """What the requests of one process share; `embedded` lets programs of this machine in without keys."""

    services: Services
    manager: TaskManager
    writer: GroupWriter
    admission: Admission
    path_jobs: PathJobRunner
    subscriptions: JobSubscriptions
    uploads: ThreadPoolExecutor
    health: SystemHealth
    probes: anyio.CapacityLimiter
    reports: BoundedThreads
    scrapes: anyio.CapacityLimiter
    imports: ThreadPoolExecutor
    drawing: BoundedThreads
    metrics: Metrics
    request_times: RequestTimes
    known_callers: KnownCallers
    embedded: bool
    closing: threading.Event = field(default_factory=threading.Event)
    """Set when the server is being stopped."""

    def check_running(self) -> None:
        """Check that the process is not about to end: what takes long asks for it now and then.

        Raises:
            StackUnavailable: it is.
        """
        if self.closing.is_set():
            raise StackUnavailable("The server is being stopped.", "Send the request again: what was begun goes on.")

    @property
    def settings(self) -> Settings:
        """The settings of the process."""
        return self.services.settings


@asynccontextmanager
async def open_state(services: Services, request_times: RequestTimes, *, embedded: bool) -> AsyncIterator[ApiState]:
    """Start the threads and tasks of the API, and end them with the context."""
    manager = TaskManager(services)
    prepare_pages(services)
    state = ApiState(
        services,
        manager,
        GroupWriter(services.catalog),
        Admission(services),
        PathJobRunner(services),
        JobSubscriptions(services),
        ThreadPoolExecutor(UPLOAD_THREADS, "upload"),
        SystemHealth(services),
        anyio.CapacityLimiter(PROBE_THREADS),
        BoundedThreads("report", REPORT_THREADS, REPORTS_WAITING),
        anyio.CapacityLimiter(SCRAPE_THREADS),
        ThreadPoolExecutor(IMPORT_THREADS, "import"),
        BoundedThreads("drawing", DRAWING_THREADS, DRAWING_WAITING),
        Metrics(services, manager),
        request_times,
        KnownCallers(),
        embedded,
    )
    loops = (
        deliver_until_cancelled(services),
        look_until_cancelled(services),
        call_until_cancelled(services),
        state.subscriptions.listen(),
        request_times.flush_until_cancelled(services.redis),
        sweep_until_cancelled(services),
    )
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield state
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(_close, state)


def _close(state: ApiState) -> None:
    state.uploads.shutdown()
    state.imports.shutdown(cancel_futures=True)
    state.drawing.close()
    state.reports.close()
    state.services.singleton(Renderers).close()
    state.admission.close()
    state.path_jobs.close()


async def _state_of(request: Request) -> ApiState:  # a plain function would be called in a thread
    app: FastAPI = request.app
    state: ApiState = app.state.api
    return state


Api = Annotated[ApiState, Depends(_state_of)]
"""Parameter of a route: the state of the process that serves the request."""
