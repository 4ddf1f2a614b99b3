"""Results about the work that is going on: tasks, queues and workers, and a summary of the last days."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.results.base import Result
from pipeline.results.system import ActiveTask

__all__ = [
    "PeriodCounts",
    "QueueList",
    "QueueStatus",
    "RegisteredTask",
    "Summary",
    "TaskDetail",
    "TaskError",
    "TaskList",
    "TaskRecord",
    "TaskResult",
    "TaskState",
    "TaskTry",
    "WorkerList",
    "WorkerRecord",
]

TaskState = Literal["held", "due", "reserved", "scheduled", "active", "lost", "done"]
"""What is happening to a task.

held        waits for another task of its stage to end, and is not published yet
due         its message waits in its queue
reserved    a worker has received its message, and has not begun
scheduled   a worker has received its message, and waits for the time of a retry
active      a living process is doing it
lost        its process has died; the reconciler will publish it again
done        it has ended
"""


class TaskRecord(Result):
    """A task of a stage.

    `starts` counts starts that ended with the death of a process, and the last one; `eta` is when a retry begins;
    `revoked_at` is when its documents were cancelled through it.
    """

    id: str
    stage: str
    part: int
    state: TaskState
    job_id: str
    batch_id: str
    worker: str | None
    starts: int
    eta: str | None
    published_at: str | None
    started_at: str | None
    finished_at: str | None
    revoked_at: str | None


class RegisteredTask(Result):
    """A task that living workers can do: its name, its queue, and how many workers serve it."""

    name: str
    stage: str
    queue: str
    workers: int


class TaskList(Result):
    """One page of tasks, newest first; `registered` is filled where that was asked for, and `tasks` then is empty."""

    tasks: list[TaskRecord]
    registered: list[RegisteredTask] = Field([])
    next: str | None = None


class TaskError(Result):
    """Why a task failed."""

    code: str
    message: str
    hint: str
    transient: bool
    trace_id: str | None


class TaskTry(Result):
    """One try of a task; `outcome` is retried, failed, done, active or lost."""

    worker: str | None
    started_at: str | None
    ended_at: str | None
    outcome: str
    error: TaskError | None


class TaskResult(Result):
    """What has become of the documents of a task so far: how many are in each state, and what is counted of them."""

    documents: dict[str, int]
    pages: int
    chunks: int
    chunks_embedded: int
    chunks_upserted: int


class TaskDetail(TaskRecord):
    """A task with its documents and its tries, oldest first; `result` is None until it is done."""

    documents: list[str]
    result: TaskResult | None
    error: TaskError | None
    attempts: list[TaskTry]


class QueueStatus(Result):
    """A queue.

    `depth` counts the messages that wait, `priorities` those of each priority that has any, from "10" (the most urgent)
    to "1"; both without `reserved`, the messages that workers have received. `oldest_s` is the age of the oldest
    message that waits, in seconds, None where none waits or the broker cannot say it. `rate_in` and `rate_out` are
    tasks a second that were published and that ended within the last minute. `drain_s` is how long what waits
    now takes at `rate_out`, in seconds; None while no task ends. In `extract` it counts the batches that wait to be
    admitted, too.
    """

    name: str
    depth: int
    priorities: dict[str, int]
    reserved: int
    oldest_s: float | None
    rate_in: float
    rate_out: float
    drain_s: float | None
    workers: int


class QueueList(Result):
    """All queues; batches that wait for admission are in none yet. `dead_letters` no task could answer."""

    queues: list[QueueStatus]
    waiting_batches: int
    dead_letters: int


class WorkerRecord(Result):
    """A worker: `node` is unique to one start of it.

    `processes` are the pids of its pool on `host`, `memory_bytes` is what they, their children and their parent have in
    memory. Of a worker of an earlier version `host`, `version`, `memory_bytes`, `started_at` and `last_seen` are None.
    """

    node: str
    name: str
    alive: bool
    host: str | None
    version: str | None
    queues: list[str]
    processes: list[int]
    memory_bytes: int | None
    tasks: list[ActiveTask]
    started_at: str | None
    last_seen: str | None


class WorkerList(Result):
    """The workers that live, and those that have died and whose messages are not back in their queues yet."""

    workers: list[WorkerRecord]


class PeriodCounts(Result):
    """What has ended within a time: completed documents and their chunks, and failures by code."""

    completed: int
    failed: dict[str, int]
    chunks: int


class Summary(Result):
    """Documents by state; open tasks by stage and state in the catalog; what has ended, by `1h`, `24h` and `7d`."""

    documents: dict[str, int]
    tasks: dict[str, dict[str, int]]
    periods: dict[str, PeriodCounts]
