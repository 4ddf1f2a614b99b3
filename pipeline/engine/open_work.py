"""What is open in the ledger, seen together with the broker and the processes that live."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass

from pipeline.catalog.work.open_tasks import OpenTask, open_tasks
from pipeline.engine.broker import held_tasks, queue_depths
from pipeline.engine.heartbeat import living_nodes
from pipeline.engine.liveness import sign_on, tasks_at_work
from pipeline.services import Services

__all__ = ["OpenWork", "open_work", "queue_of"]


@dataclass(frozen=True)
class OpenWork:
    """The open tasks, and what is known about their messages and processes.

    `at_work` are the tasks that workers report to be doing, `held` those whose message the broker holds (None where
    the broker cannot list them), `depths` the messages in each queue (only where it cannot).
    """

    tasks: Sequence[OpenTask]
    living: Container[str]
    at_work: Collection[str]
    held: Collection[str] | None
    depths: Mapping[str, int]

    def is_orphan(self, task: OpenTask) -> bool:
        """Whether the task's process is dead and its message is nowhere, so that nothing will go on with it."""
        return task.state == "running" and task.runner not in self.living and not self._is_held(task)

    def is_suspect(self, task: OpenTask) -> bool:
        """Whether the task's message may be lost, or its living process does not do it any more."""
        if self._is_held(task) or self.is_orphan(task):
            return False
        return task.state == "due" or task.task_id not in self.at_work

    def is_at_work(self, task: OpenTask) -> bool:
        """Whether a living process holds the task, and its message is nowhere: a copy of it was dropped, or it ends."""
        return task.state == "running" and not self._is_held(task) and not self.is_orphan(task)

    def _is_held(self, task: OpenTask) -> bool:
        return self.held is not None and task.task_id in self.held


def open_work(services: Services, runner: str, queues: Collection[str] = ()) -> OpenWork:
    """Read what is open.

    Args:
        services: those of this process.
        runner: the name under which it asks.
        queues: queues that this installation does not know.
    """
    # The broker first: a task that ends in between is gone from the ledger, and not taken for missing.
    held = held_tasks(services, queues)
    with services.catalog.connect() as connection:
        tasks = open_tasks(connection)
    # The processes last: one that is gone now is gone for good, and one that has begun since is seen.
    living = sign_on(services.redis, runner)
    at_work = tasks_at_work(services.redis, living_nodes(services.redis))
    return OpenWork(tasks, living, at_work, held, queue_depths(services) if held is None else {})


def queue_of(task: OpenTask) -> str:
    """The queue in which the task's message waits."""
    step = task.plan.step(task.stage)
    return step.queue if step is not None else task.stage
