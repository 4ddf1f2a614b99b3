"""Routes about jobs: which there are, how far they are, their documents, cancelling, trying again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from pipeline.api.auth import AuthenticatedRoute, Reader, Submitter
from pipeline.api.cursors import Cursor
from pipeline.api.models import EXAMPLE_JOB, Cancelled, Documents, DocumentState, Jobs
from pipeline.api.problems import responses
from pipeline.api.state import Api
from pipeline.catalog.api.listing import Page
from pipeline.ingest.request import Line
from pipeline.lists.jobs import JobQuery
from pipeline.names import COLLECTION
from pipeline.results import DocumentStatus, JobList, JobState, JobStatus, SystemStatus, TaskStatus

__all__ = ["AGE", "ID", "Code", "JobId", "State", "router"]

ID = r"^[!-~]{1,64}$"
"""Any printable id is looked up; characters that a database refuses are refused here."""

router = APIRouter(route_class=AuthenticatedRoute, tags=["jobs"], responses=responses(401, 403, 422, 429, 500, 503))

JobId = Annotated[str, Path(pattern=ID, examples=[EXAMPLE_JOB])]
AnyId = Annotated[str, Path(pattern=ID, description="a job, document or task, or how it begins")]
Code = Annotated[str | None, Query(pattern=r"^[a-z_]{1,64}$", examples=["encrypted"])]
AGE = "a time in ISO 8601, or a duration before now: 90s, 30m, 2h, 3d, 1w"
State = Literal[
    "queued",
    "extracting",
    "chunking",
    "embedding",
    "upserting",
    "completed",
    "unchanged",
    "failed",
    "cancelled",
    "deleted",
]
UNKNOWN = responses(404)


class ListQuery(BaseModel):
    """Conditions of a list of jobs, which all hold together, and the page."""

    state: JobState | None = None
    collection: str | None = Field(None, pattern=COLLECTION)
    workflow: Line | None = Field(None, min_length=1, max_length=64, examples=["ingest"])
    code: Code = Field(None, description="a document failed with it in the job")
    since: Line | None = Field(None, max_length=40, description=f"submitted since then: {AGE}", examples=["2h"])
    before: Line | None = Field(None, max_length=40, description=f"submitted before then: {AGE}", examples=["30d"])
    sort: Literal["time", "-time"] = Field("-time", description="when they were submitted; `-time`: the newest first")
    limit: int = Field(100, ge=1, le=1000)
    cursor: Cursor = None


@router.get("/v1/jobs", summary="Jobs")
def list_jobs(query: Annotated[ListQuery, Query()], api: Api, _caller: Reader) -> JobList:
    """The jobs, page by page, each with its documents by outcome."""
    return api.manager.list_jobs(JobQuery(**query.model_dump(exclude={"cursor"}), after=query.cursor))


@router.get("/v1/jobs/{job_id}", responses=UNKNOWN, summary="A job's state and progress")
def job(job_id: JobId, api: Api, _caller: Reader) -> JobStatus:
    """State, counts, progress and estimated end of a job."""
    return api.manager.job(job_id)


@router.get("/v1/jobs/{job_id}/documents", responses=UNKNOWN, summary="A job's documents")
def job_documents(
    job_id: JobId,
    api: Api,
    _caller: Reader,
    state: State | None = None,
    code: Code = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Documents:
    """The documents of a job, page by page; a page stays the same however many come meanwhile."""
    rows, following = api.manager.documents(job_id, Page(limit, state, code), cursor)
    return Documents(documents=[DocumentState(**row) for row in rows], next=following)


@router.post("/v1/jobs/{job_id}/cancel", responses=UNKNOWN, summary="Cancel a job")
def cancel_job(job_id: JobId, api: Api, _caller: Submitter) -> Cancelled:
    """End a job. What was searchable before stays so."""
    api.manager.job(job_id)
    return Cancelled(id=job_id, cancelled=api.manager.cancel(job_id))


@router.post("/v1/jobs/{job_id}/retry", responses=responses(404, 409), summary="Try a job's failures again")
def retry_job(job_id: JobId, api: Api, _caller: Submitter) -> Jobs:
    """Try the failed documents of a job again, as a new job. None failed: no new job."""
    api.manager.job(job_id)
    return Jobs(jobs=api.manager.retry(job_id=job_id))


@router.get("/v1/status", summary="Everything at a glance")
def system(api: Api, _caller: Reader) -> SystemStatus:
    """The newest jobs, documents by state, chunks by collection, queues and workers."""
    return api.manager.system()


@router.get("/v1/status/{identity}", responses=UNKNOWN, summary="Whatever has this id")
def status(identity: AnyId, api: Api, _caller: Reader) -> JobStatus | DocumentStatus | TaskStatus:
    """The job, document or Celery task with this id, or with the only id that begins so."""
    return api.manager.status(identity)
