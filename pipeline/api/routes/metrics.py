"""`GET /metrics` in Prometheus's text format."""

from __future__ import annotations

from fastapi import APIRouter, Response

from pipeline.api.auth import AuthenticatedRoute, Reader
from pipeline.api.problems import responses
from pipeline.api.state import Api
from pipeline.metrics import CONTENT_TYPE

__all__ = ["router"]

router = APIRouter(route_class=AuthenticatedRoute, tags=["facts"], responses=responses(401, 403, 429, 500, 503))


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "as Prometheus reads it"}
    },
)
def metrics(api: Api, _caller: Reader) -> Response:
    """Counters, histograms and gauges in Prometheus's text format; each is a row of docs/monitoring.md."""
    api.request_times.flush(api.services.redis)
    return Response(api.metrics.exposition(), media_type=CONTENT_TYPE)
