"""Routes of search, and lists of workflows, formats and collections."""

from __future__ import annotations

from fastapi import APIRouter

import extractors
from pipeline.api.auth import AuthenticatedRoute, Reader
from pipeline.api.models import CollectionFacts, FormatFacts, SearchRequest, WorkflowFacts
from pipeline.api.problems import responses
from pipeline.api.state import Api
from pipeline.catalog.api.listing import list_collections
from pipeline.composition.plugins import discover
from pipeline.errors import UnknownId
from pipeline.results import SearchResult
from pipeline.search import Question, answer, find_indexes
from pipeline.types import canonical
from pipeline.vectorstore.base import Filter

__all__ = ["router"]

router = APIRouter(route_class=AuthenticatedRoute, responses=responses(401, 403, 422, 429, 500, 503))


@router.post("/v1/search", tags=["search"], responses=responses(400, 404, 408, 409, 413, 415), summary="Search")
def find(request: SearchRequest, api: Api, _caller: Reader) -> SearchResult:
    """The passages that answer a question best, each with its citation."""
    conditions = request.filter
    where = Filter(
        sources=tuple(conditions.sources),
        media_types=tuple(conditions.media_types),
        tags=canonical(conditions.tags),
        page=conditions.page,
        modified_after=conditions.modified_after,
        modified_before=conditions.modified_before,
        metadata=conditions.metadata,
    )
    question = Question(
        request.query,
        request.names or (api.settings.collection,),
        request.limit,
        request.mode,
        where,
        min_score=request.min_score,
        group=request.group,
        rerank=request.rerank,
        rerank_depth=request.rerank_depth,
    )
    known = find_indexes(api.services, question)
    for name in request.names:
        if name not in known:
            raise UnknownId(f"There is no collection {name}.", "What there is: GET /v1/collections")
    return answer(api.services, question)


@router.get("/v1/workflows", tags=["facts"], summary="Workflows")
def workflows(_caller: Reader) -> list[WorkflowFacts]:
    """What a job may name as its workflow."""
    known = discover().workflows
    return [WorkflowFacts(name=name, description=known[name].about) for name in sorted(known)]


@router.get("/v1/formats", tags=["facts"], summary="Formats")
def formats(_caller: Reader) -> list[FormatFacts]:
    """What kinds of files are read."""
    return [
        FormatFacts(name=row.name, media_types=list(row.media_types), suffixes=list(row.suffixes))
        for row in extractors.formats()
    ]


@router.get("/v1/collections", tags=["facts"], summary="Collections")
def collections(api: Api, _caller: Reader) -> list[CollectionFacts]:
    """Every collection, the model of its vectors, and how much is in it."""
    with api.services.catalog.connect() as connection:
        return [CollectionFacts(**row) for row in list_collections(connection)]
