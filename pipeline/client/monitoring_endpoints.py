"""The endpoints of tasks, queues and workers, as functions that make their requests: see `endpoints`."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import quote

import httpx

from pipeline.client.request import Page, Request, model_reader
from pipeline.monitoring.tasks import TaskQuery
from pipeline.results import QueueList, Summary, TaskDetail, TaskList, TaskRecord, WorkerList

__all__ = ["all_tasks", "list_queues", "list_tasks", "list_workers", "revoke_task", "summary", "task_detail"]

PAGE_SIZE = 500


def all_tasks(
    stage: str | None = None, state: str | None = None, job_id: str | None = None
) -> Request[Page[TaskRecord]]:
    """The tasks that meet all conditions, newest first, however many."""
    return _page(TaskQuery(stage, state, job_id), None)


def list_tasks(query: TaskQuery, after: str | None = None, limit: int = 100) -> Request[TaskList]:
    """One page of the tasks that meet the conditions; with the state `registered` what living workers can do."""
    return Request("GET", "/v1/tasks", model_reader(TaskList), {**asdict(query), "cursor": after, "limit": limit})


def task_detail(task_id: str) -> Request[TaskDetail]:
    """A task with its documents, its result, its error and its tries."""
    return Request("GET", f"/v1/tasks/{quote(task_id, safe='')}", model_reader(TaskDetail))


def revoke_task(task_id: str) -> Request[int]:
    """Cancel the documents that a task works on; how many that were."""
    path = f"/v1/tasks/{quote(task_id, safe='')}/revoke"
    return Request("POST", path, lambda response: int(response.json()["cancelled"]))


def list_queues() -> Request[QueueList]:
    """What waits in each queue, and how fast tasks come and go."""
    return Request("GET", "/v1/queues", model_reader(QueueList))


def list_workers() -> Request[WorkerList]:
    """The workers, with their processes, memory, queues and tasks."""
    return Request("GET", "/v1/workers", model_reader(WorkerList))


def summary() -> Request[Summary]:
    """Documents by state, open tasks by stage, and what has ended in the last hour, day and week."""
    return Request("GET", "/v1/summary", model_reader(Summary))


def _page(query: TaskQuery, cursor: str | None) -> Request[Page[TaskRecord]]:
    def read(response: httpx.Response) -> Page[TaskRecord]:
        listed = TaskList.model_validate(response.json())
        return Page(listed.tasks, _page(query, listed.next) if listed.next is not None else None)

    return Request("GET", "/v1/tasks", read, {**asdict(query), "cursor": cursor, "limit": PAGE_SIZE})
