"""Results about the system: tasks, workers, queues, watched folders, and all of it at a glance."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field

from pipeline.results.base import Result
from pipeline.results.documents import Activity
from pipeline.results.jobs import JobStatus
from pipeline.results.verify import DriftStatus
from pipeline.settings import Settings
from pipeline.settings.room import disk_of

__all__ = [
    "ActiveTask",
    "DiskStatus",
    "DocumentCounts",
    "ProcessStatus",
    "QueueStatistics",
    "SystemStatus",
    "TaskStatus",
    "WatchedFolder",
    "WorkerStatus",
    "disk_status",
]


class TaskStatus(Result):
    """One Celery task of a stage; `state` is due, running or done."""

    id: str
    stage: str
    part: int
    state: str
    activity: Activity
    job_id: str
    batch_id: str
    worker: str | None
    starts: int
    published_at: str | None
    started_at: str | None
    finished_at: str | None


class ActiveTask(Result):
    """A task that a worker is doing at this moment."""

    id: str
    stage: str
    part: int
    job_id: str
    worker: str
    running_s: float


class WorkerStatus(Result):
    """A worker process that lives; `node` is unique to this start of it."""

    node: str


class QueueStatistics(Result):
    """Messages waiting in each queue, documents waiting for admission, living workers.

    `dead_letters` are messages that no task could answer.
    """

    depth: dict[str, int]
    waiting_batches: int
    workers: list[WorkerStatus]
    dead_letters: int = 0


class DocumentCounts(NamedTuple):
    """Documents by state, chunks that are searchable by collection, open failures, outdated documents by collection."""

    states: dict[str, int]
    chunks: dict[str, int]
    failures: int
    outdated: dict[str, int]


class WatchedFolder(Result):
    """A watched folder. `held` is the reason for which deletions of `held_files` documents are held back.

    `mode` is native or polling; `trouble` what keeps it from being watched, None while it is.
    """

    root: str
    files: int
    mode: str | None
    held: str | None
    held_files: int
    held_since: str | None
    trouble: str | None
    looked_at: str | None


class ProcessStatus(Result):
    """A process of the private stack, or a service of `docrelay up`.

    `state` is starting, ready or waiting; `reason` is why it was started last: empty, died or frozen. `frozen` counts
    those of the `restarts` that replaced a process that was frozen.
    """

    name: str
    state: str
    restarts: int
    frozen: int
    reason: str


class DiskStatus(Result):
    """The disk that the data folder is on; `message` says what is full, and is None while work goes on."""

    path: str
    free_bytes: int
    needed_bytes: int
    full: bool
    message: str | None


def disk_status(settings: Settings) -> DiskStatus | None:
    """The disk of this machine that is full, else that of the data folder; None where the system cannot say."""
    state = disk_of(settings)
    if state is None:
        return None
    return DiskStatus(
        path=state.path,
        free_bytes=state.free_bytes,
        needed_bytes=state.needed_bytes,
        full=state.full,
        message=state.message if state.full else None,
    )


class SystemStatus(Result):
    """Everything at a glance; `outdated` are documents by collection that an earlier version of Docrelay read.

    `analysers` has the number of the analyser of each collection, by which its words are matched. `drift` is what the
    last comparison of catalog and vector store has found.
    """

    jobs: list[JobStatus]
    documents: dict[str, int]
    collections: dict[str, int]
    outdated: dict[str, int] = Field({})
    analysers: dict[str, int] = Field({})
    failures: int
    queues: QueueStatistics | None
    watched: list[WatchedFolder]
    drift: DriftStatus = Field(DriftStatus())
    disk: DiskStatus | None = None
    processes: list[ProcessStatus] = Field([])
