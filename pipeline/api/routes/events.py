"""The route that streams the events of a job as server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from pipeline.api.auth import AuthenticatedRoute, Reader
from pipeline.api.problems import responses
from pipeline.api.routes.jobs import JobId
from pipeline.api.state import Api, ApiState
from pipeline.catalog.work.events import Event
from pipeline.errors import Invalid
from pipeline.results import iso

__all__ = ["router"]

router = APIRouter(
    route_class=AuthenticatedRoute, tags=["jobs"], responses=responses(401, 403, 404, 422, 429, 500, 503)
)

POLL_S = 1.0
"""A wake-up may be lost; a stream reads the catalog by itself after this time."""

PING_S = 15
SEND_TIMEOUT_S = 30.0
"""A client that reads nothing for so long is disconnected."""

SPACING_S = 0.5
PAUSE_FACTOR = 20.0
"""Progress is measured at most every `SPACING_S`, and pauses `PAUSE_FACTOR` times as long as measuring took."""

MAX_EVENT_ID = 2**62


def _data(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}


EVENT_DATA = {
    "type": "object",
    "required": ["job_id", "document_id", "at"],
    "properties": {
        "job_id": {"type": "string"},
        "document_id": {"type": ["string", "null"]},
        "at": {"type": "string", "format": "date-time"},
    },
}
KINDS = [
    {
        "required": ["event", "data"],
        "properties": {"event": {"const": "progress"}, "data": _data({"$ref": "#/components/schemas/JobStatus"})},
    },
    {
        "required": ["id", "event", "data"],
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]{1,19}$", "description": "what to go on after"},
            "event": {"type": "string", "pattern": r"^(job|document|task)\."},
            "data": _data(EVENT_DATA),
        },
    },
]
STREAM = {"text/event-stream": {"itemSchema": {"type": "object", "oneOf": KINDS}}}


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses={
        200: {"content": STREAM, "description": "events with ids, and `progress` without one in between"},
        204: {"description": "the job has ended, and there is nothing after that event"},
    },
)
async def events(
    job_id: JobId,
    api: Api,
    _caller: Reader,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,19}$", description="go on after this event", examples=["17"]),
    ] = None,
) -> Response:
    """Server-sent events until the job's end. Who reconnects with Last-Event-ID misses nothing."""
    last = int(last_event_id or 0)
    if last > MAX_EVENT_ID:
        raise Invalid("The header Last-Event-ID holds no id of an event.")
    status = await asyncio.to_thread(api.manager.job, job_id)
    if status.ended and last and not await asyncio.to_thread(api.manager.events, job_id, last):
        return Response(status_code=204)
    subscription = api.subscriptions.subscribe(job_id)
    wakeup = subscription.__enter__()
    return _Stream(_follow(api, job_id, last, wakeup), release=lambda: subscription.__exit__(None, None, None))


class _Stream(EventSourceResponse):
    """An event stream that ends its subscription when it ends or fails."""

    def __init__(self, content: AsyncIterator[ServerSentEvent], release: Any) -> None:
        super().__init__(content, ping=PING_S, send_timeout=SEND_TIMEOUT_S)
        self._release = release

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()


async def _follow(api: ApiState, job_id: str, last: int, wakeup: asyncio.Event) -> AsyncIterator[ServerSentEvent]:
    """The events of a job after the id `last`, with its progress in between, until the job has ended."""
    measure_at = 0.0
    while True:
        wakeup.clear()
        began = time.monotonic()
        # The state is read before the events, so that all events up to the end are sent with the final state.
        status = await asyncio.to_thread(api.manager.job, job_id) if began >= measure_at else None
        new_events = await asyncio.to_thread(api.manager.events, job_id, last)
        for event in new_events:
            last = event.id
            yield _server_sent(event)
        if status is not None:
            yield ServerSentEvent(status.model_dump_json(), event="progress")
            cost_s = time.monotonic() - began
            measure_at = time.monotonic() + max(SPACING_S, cost_s * PAUSE_FACTOR)
            if status.ended and not new_events:
                return
        elif any(event.kind == "job.finished" for event in new_events):
            measure_at = 0.0
        if not new_events:
            await _wait(wakeup, POLL_S)


async def _wait(wakeup: asyncio.Event, seconds: float) -> None:
    """Wait until woken, or for so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await wakeup.wait()
    except TimeoutError:
        return


def _server_sent(event: Event) -> ServerSentEvent:
    """An event of the catalog as a server-sent event."""
    data = {"job_id": event.job_id, "document_id": event.document_id, "at": iso(event.at), **(event.data or {})}
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=event.kind, id=str(event.id))
