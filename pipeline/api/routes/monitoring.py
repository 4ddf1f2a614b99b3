"""Routes about what is going on: tasks, queues, workers, and a summary of the last days."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from pipeline.api.auth import AuthenticatedRoute, Reader, Submitter
from pipeline.api.cursors import Cursor
from pipeline.api.models import Cancelled
from pipeline.api.problems import responses
from pipeline.api.routes.jobs import ID
from pipeline.api.state import Api
from pipeline.ingest.request import Line
from pipeline.monitoring.tasks import TaskQuery
from pipeline.results import QueueList, Summary, TaskDetail, TaskList, TaskState, WorkerList

__all__ = ["router"]

router = APIRouter(
    route_class=AuthenticatedRoute, tags=["monitoring"], responses=responses(401, 403, 422, 429, 500, 503)
)

TaskId = Annotated[str, Path(pattern=ID, examples=["1d0f9a5e-3c3b-5d2e-9a57-3f8a0a2f6b1c"])]


class TaskConditions(BaseModel):
    """Conditions on tasks, which all hold together, and the page."""

    stage: Line | None = Field(None, min_length=1, max_length=64, examples=["embed"])
    state: TaskState | Literal["registered"] | None = Field(
        None, description="`registered`: the tasks that living workers can do", examples=["active"]
    )
    job_id: Line | None = Field(None, min_length=1, max_length=64)
    limit: int = Field(100, ge=1, le=1000)
    cursor: Cursor = None


@router.get("/v1/tasks", responses=responses(404), summary="Tasks of all jobs")
def tasks(query: Annotated[TaskConditions, Query()], api: Api, _caller: Reader) -> TaskList:
    """Tasks of all jobs, newest first, page by page."""
    wanted = TaskQuery(query.stage, query.state, query.job_id)
    return api.manager.list_tasks(wanted, query.cursor, query.limit)


@router.get("/v1/tasks/{task_id}", responses=responses(404), summary="A task")
def task(task_id: TaskId, api: Api, _caller: Reader) -> TaskDetail:
    """A task with its documents, its result, its error and its tries. An id that was never submitted is not found."""
    return api.manager.task_detail(task_id)


@router.post("/v1/tasks/{task_id}/revoke", responses=responses(404), summary="Revoke a task")
def revoke_task(task_id: TaskId, api: Api, _caller: Submitter) -> Cancelled:
    """Cancel the documents that a task works on. Others of its batch go on, and what was searchable stays so."""
    return Cancelled(id=task_id, cancelled=api.manager.revoke_task(task_id))


@router.get("/v1/queues", summary="Queues")
def queues(api: Api, _caller: Reader) -> QueueList:
    """What waits in each queue, by priority, how fast tasks come and go, and when it will be empty."""
    return api.manager.list_queues()


@router.get("/v1/workers", summary="Workers")
def workers(api: Api, _caller: Reader) -> WorkerList:
    """The workers, with their processes, memory, queues and tasks."""
    return api.manager.list_workers()


@router.get("/v1/summary", summary="Summary")
def summary(api: Api, _caller: Reader) -> Summary:
    """Documents by state, open tasks by stage, and what has ended in the last hour, day and week."""
    return api.manager.summary()
