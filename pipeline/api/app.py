"""The application: routes, limits, problem details, and what runs beside the requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from pipeline.api.docs_page import STATIC_URL, add_docs_page
from pipeline.api.middleware import Limits
from pipeline.api.problems import ProblemDetails, install
from pipeline.api.request_times import RequestTimes
from pipeline.api.routes import (
    documents,
    events,
    failures,
    health,
    jobs,
    metrics,
    monitoring,
    notifications,
    pages,
    reindex,
    reports,
    schedule,
    search,
    submit,
    texts,
)
from pipeline.api.state import open_state
from pipeline.services import Services
from pipeline.tracing import Traces, close_traces

__all__ = ["make_app"]

THREADS = 12
"""Requests that read the catalog at once: SQLAlchemy holds so many connections, and two cores have enough to do."""

DESCRIPTION = """Submit documents, follow them, search them. Every error is a problem detail (RFC 9457) with a stable
`code`. Without keys the API answers programs of this machine only; see docs/api.md."""


PARTS = (
    submit,
    texts,
    jobs,
    failures,
    events,
    documents,
    pages,
    search,
    reindex,
    monitoring,
    metrics,
    schedule,
    notifications,
    reports,
    health,
)
"""The files of the routes, in the order in which /docs lists them."""


def make_app(services: Services, *, embedded: bool, ready: Callable[[], None] = lambda: None) -> FastAPI:
    """The API over these services.

    Args:
        services: connected ones; `redis_url` is set.
        embedded: whether loopback is served without keys.
        ready: called when requests can be answered.
    """
    request_times = RequestTimes()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        async with open_state(services, request_times, embedded=embedded) as state:
            app.state.api = state
            ready()
            yield
        # uvicorn ends the process by the signal that it received, without `atexit`.
        await anyio.to_thread.run_sync(close_traces)

    # It serves the script and the style of /docs; FastAPI's own page would fetch them from a public server.
    app = FastAPIOffline(
        title="Docrelay",
        version=version("docrelay"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        static_url=STATIC_URL,
    )
    add_docs_page(app)
    traces = services.singleton(Traces)
    app.add_middleware(Limits, settings=services.settings, traces=traces, request_times=request_times)
    install(app)
    for part in PARTS:
        app.include_router(part.router)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Let the description name our problem details in the place of the framework's own errors."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = original()
            parts = schema.setdefault("components", {}).setdefault("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                parts.pop(name, None)
            problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
            parts.update(problem.pop("$defs", {}))
            parts["Problem"] = problem
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]
