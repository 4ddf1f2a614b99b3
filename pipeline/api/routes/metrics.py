"""`GET /metrics` in Prometheus's text format."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter, Response

from pipeline.api.auth import AuthenticatedRoute, Prober
from pipeline.api.problems import responses
from pipeline.api.state import Api
from pipeline.metrics import CONTENT_TYPE

__all__ = ["router"]

router = APIRouter(route_class=AuthenticatedRoute, tags=["facts"], responses=responses(401, 403, 500, 503))


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "as Prometheus reads it"}
    },
)
async def metrics(api: Api, _caller: Prober) -> Response:
    """Counters, histograms and gauges in Prometheus's text format; each is a row of docs/monitoring.md.

    What cannot be read is left out, and `docrelay_up` says which part is down; the status is 200 all the same.
    """
    text = await anyio.to_thread.run_sync(api.metrics.exposition, limiter=api.scrapes)
    return Response(text, media_type=CONTENT_TYPE)
