"""Health: does the process answer, can it keep a document, and how is each part."""

from __future__ import annotations

from typing import Literal

import anyio.to_thread
from fastapi import APIRouter
from pydantic import BaseModel

from pipeline.api.auth import AuthenticatedRoute, Prober
from pipeline.api.problems import responses
from pipeline.api.state import Api
from pipeline.errors import NotReady
from pipeline.results import HealthReport

__all__ = ["router"]

SENTENCES = {
    "broker": "the broker does not answer",
    "catalog": "the catalog does not take a write",
    "spool": "the spool does not keep a file, or its disk is full",
}
"""What is said without a key of each part that fails: no name, address or number of this installation."""

router = APIRouter(route_class=AuthenticatedRoute, tags=["health"])


class Well(BaseModel):
    """The answer of a probe that succeeds."""

    state: Literal["ok"] = "ok"


@router.get("/health/live", summary="Does the process answer")
async def live() -> Well:
    """Needs no key, and asks no other service."""
    return Well()


@router.get("/health/ready", summary="Can a document be accepted and kept", responses=responses(503))
async def ready(api: Api) -> Well:
    """Needs no key: broker, catalog and spool, each tried by a write, at most once a second."""
    unready = await anyio.to_thread.run_sync(api.health.unready, limiter=api.probes)
    if unready:
        raise NotReady(f"Not ready: {'; '.join(SENTENCES[name] for name in unready)}.")
    return Well()


@router.get("/health", summary="How each part is", responses=responses(401, 403, 500, 503))
async def health(api: Api, _caller: Prober) -> HealthReport:
    """Each part with its state, its age, the cause and what to do. The status is 200 whatever the parts are."""
    return await anyio.to_thread.run_sync(api.health.report, limiter=api.probes)
