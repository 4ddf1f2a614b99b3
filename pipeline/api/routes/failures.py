"""Routes about failures, the dead letters: lists by class and age, trying again in bulk, forgetting."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, StringConstraints

from pipeline.api.auth import Admin, AuthenticatedRoute, Reader, Submitter
from pipeline.api.cursors import Cursor
from pipeline.api.models import EXAMPLE_DOCUMENT, RequestBody
from pipeline.api.problems import responses
from pipeline.api.routes.jobs import AGE, ID
from pipeline.api.state import Api
from pipeline.dead_letters.query import FailureQuery
from pipeline.ingest.request import Line
from pipeline.names import COLLECTION
from pipeline.results import ArchivedFailureList, FailureHistory, FailureList, MessageList, RetryReport

__all__ = ["router"]

router = APIRouter(route_class=AuthenticatedRoute, tags=["failures"], responses=responses(401, 403, 422, 429, 500, 503))

DocumentId = Annotated[str, Path(pattern=ID, examples=[EXAMPLE_DOCUMENT])]
MessageId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
OfQueue = Annotated[Line | None, Query(max_length=128, description="the queue where it was", examples=["embed"])]


class Conditions(BaseModel):
    """Conditions on failures, which all hold together."""

    code: Line | None = Field(None, min_length=1, max_length=64, examples=["encrypted"])
    stage: Line | None = Field(None, min_length=1, max_length=64, examples=["extract"])
    job_id: Line | None = Field(None, min_length=1, max_length=64)
    collection: str | None = Field(None, pattern=COLLECTION)
    source: Line | None = Field(None, min_length=1, max_length=4096, description="a name or a glob", examples=["*.pdf"])
    since: Line | None = Field(None, max_length=40, description=AGE, examples=["2h"])
    before: Line | None = Field(None, max_length=40, description=AGE, examples=["30d"])
    transient: bool | None = Field(None, description="whether trying again may simply cure it")
    quarantined: bool | None = Field(None, description="whether the document is in quarantine")

    def query(self) -> FailureQuery:
        """The conditions as all entry points have them."""
        return FailureQuery(**Conditions.model_dump(self, include=set(Conditions.model_fields)))


class ListQuery(Conditions):
    """Conditions, and the page."""

    limit: int = Field(100, ge=1, le=1000)
    cursor: Cursor = None


class RetryRequest(RequestBody, Conditions):
    """Which failures are tried again: of these documents, sources or jobs, or all that meet the conditions."""

    ids: list[Line] = Field([], max_length=1000, description="documents, sources or jobs")
    force: bool = Field(False, description="documents in quarantine too")
    dry_run: bool = Field(False, description="count only")


class MessageRequest(RequestBody):
    """Which messages are sent again: these, or all; `queue`: only those that were in this one before."""

    ids: list[MessageId] = Field([], max_length=1000)
    queue: Line | None = Field(None, max_length=128, examples=["embed"])


class Reprocessed(BaseModel):
    """What was sent again."""

    reprocessed: int = Field(examples=[1])


class Purged(BaseModel):
    """What was forgotten."""

    purged: int = Field(examples=[2])


@router.get("/v1/failures", responses=responses(404), summary="Open failures")
def failures(query: Annotated[ListQuery, Query()], api: Api, _caller: Reader) -> FailureList:
    """Documents that failed and are not cured yet, newest first, page by page, with counts by code and stage."""
    return api.manager.list_failures(query.query(), query.cursor, query.limit)


@router.get("/v1/failures/messages", summary="Messages that no task could answer")
def messages(
    api: Api, _caller: Reader, queue: OfQueue = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> MessageList:
    """The oldest messages of the queue of dead letters; they stay where they are."""
    return api.manager.messages(queue=queue, limit=limit)


@router.post("/v1/failures/messages/reprocess", responses=responses(400, 408, 413, 415), summary="Send messages again")
def reprocess_messages(request: MessageRequest, api: Api, _caller: Submitter) -> Reprocessed:
    """Send messages again to the queues where they were: these, or all."""
    return Reprocessed(reprocessed=api.manager.reprocess_messages(request.ids, queue=request.queue))


@router.delete("/v1/failures/messages", summary="Forget messages")
def purge_messages(
    api: Api,
    _caller: Admin,
    queue: OfQueue = None,
    id: Annotated[list[MessageId] | None, Query(max_length=1000, description="only these")] = None,  # noqa: A002
) -> Purged:
    """Forget messages: these, or all."""
    return Purged(purged=api.manager.purge_messages(id or (), queue=queue))


@router.get("/v1/failures/archived", summary="Archived failures")
def archived(
    api: Api, _caller: Reader, cursor: Cursor = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> ArchivedFailureList:
    """Failures that became too old for the list of open ones, those archived last first, page by page."""
    return api.manager.archived_failures(cursor, limit)


@router.get("/v1/failures/{document_id}", responses=responses(404), summary="The history of a failure")
def failure(document_id: DocumentId, api: Api, _caller: Reader) -> FailureHistory:
    """The attempts of a document with their errors, also of a document that is cured."""
    return api.manager.failure(document_id)


@router.post("/v1/failures/retry", responses=responses(400, 404, 408, 409, 413, 415), summary="Try failures again")
def retry_failures(request: RetryRequest, api: Api, _caller: Submitter) -> RetryReport:
    """Try failed documents again: these, or all that match; each collection's come as a new job."""
    return api.manager.retry_failures(request.query(), request.ids, force=request.force, dry_run=request.dry_run)


@router.delete("/v1/failures", responses=responses(404), summary="Forget failures")
def purge_failures(conditions: Annotated[Conditions, Query()], api: Api, _caller: Admin) -> Purged:
    """Forget failures; the documents stay as they are."""
    return Purged(purged=api.manager.purge_failures(conditions.query()))
