"""Routes of re-indexing: plan, start, status, pause, resume, cancel and roll back."""

from __future__ import annotations

import re
from pathlib import Path as Folder
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from embeddings.known_models import find
from pipeline import reindex
from pipeline.api.auth import Admin, AuthenticatedRoute, Reader
from pipeline.api.problems import responses
from pipeline.api.state import Api, ApiState
from pipeline.errors import BadRequest
from pipeline.names import COLLECTION
from pipeline.reindex import ReindexRequest
from pipeline.results import ReindexPlan, ReindexStatus

__all__ = ["router"]

router = APIRouter(
    route_class=AuthenticatedRoute,
    prefix="/v1/reindex",
    tags=["reindex"],
    responses=responses(401, 403, 404, 409, 422, 429, 500, 503),
)

Collection = Annotated[str, Path(pattern=COLLECTION, examples=["documents"])]
BODY = responses(400, 408, 413, 415)

MODEL_NAME = re.compile(r"[^./~\\][^/\\]{0,95}(/[^./~\\][^/\\]{0,95})?")
"""A model of the registry, of an installed package, of an endpoint or of the hub; no path."""


class Resume(BaseModel):
    """How to go on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_failed: bool | None = Field(None, description="switch even if documents failed")
    per_minute: int | None = Field(None, ge=1, le=1_000_000, description="documents a minute at most")


class Rollback(BaseModel):
    """How to go back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_failed: bool = Field(False, description="go back even if documents failed in the old index")


@router.post("", status_code=202, responses=BODY, summary="Begin a re-index")
def start(request: ReindexRequest, api: Api, _caller: Admin) -> ReindexStatus:
    """Another model, another chunk size, or texts read anew, for a collection that goes on answering."""
    _check_model(api, request.model)
    return reindex.start(api.services, request)


@router.post("/plan", responses=BODY, summary="What a re-index would do")
def plan(request: ReindexRequest, api: Api, _caller: Admin) -> ReindexPlan:
    """Documents, chunks, stages, time and disk; nothing is changed. A model hub may be asked what the model is."""
    _check_model(api, request.model)
    return reindex.plan(api.services, request)


@router.get("/{collection}", summary="A collection's last re-index")
def status(collection: Collection, api: Api, _caller: Reader) -> ReindexStatus:
    """How it stands; its documents are those of the job that it names."""
    return reindex.status(api.services, collection)


@router.post("/{collection}/pause", summary="Pause a re-index")
def pause(collection: Collection, api: Api, _caller: Admin) -> ReindexStatus:
    """No more documents are begun; those under way come to their end."""
    return reindex.pause(api.services, collection)


@router.post("/{collection}/resume", responses=BODY, summary="Resume a re-index")
def resume(collection: Collection, how: Resume, api: Api, _caller: Admin) -> ReindexStatus:
    """Go on after a pause or a refusal of the gate; what failed is tried again."""
    return reindex.resume(api.services, collection, allow_failed=how.allow_failed, per_minute=how.per_minute)


@router.post("/{collection}/cancel", summary="Cancel a re-index")
def cancel(collection: Collection, api: Api, _caller: Admin) -> ReindexStatus:
    """Before the switch; readers keep what they have."""
    return reindex.cancel(api.services, collection)


@router.post("/{collection}/rollback", status_code=202, responses=BODY, summary="Go back to the old index")
def rollback(collection: Collection, api: Api, _caller: Admin, how: Rollback | None = None) -> ReindexStatus:
    """As long as it is kept, and nothing would be lost by it."""
    return reindex.rollback(api.services, collection, allow_failed=how is not None and how.allow_failed)


def _check_model(api: ApiState, model: str | None) -> None:
    """Refuse a model that is a folder of the server: a client could have the API read files of its choice.

    Raises:
        BadRequest: it is a folder, and not that of the settings.
    """
    if model is None or model == api.settings.embedding_model or find(model) is not None:
        return
    if not MODEL_NAME.fullmatch(model) or (Folder(model) / "config.json").is_file():
        raise BadRequest(
            "By HTTP a model is named, and no folder.",
            "Name one of the registry, of an installed package or of the hub; or set `embedding_model` to the folder.",
        )
