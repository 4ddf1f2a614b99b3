"""The Celery tasks. Each only loads, calls and stores; workers register them, publishers know them by name."""

from __future__ import annotations

import time
from pkgutil import resolve_name
from typing import Any

from celery import Celery, Task

from pipeline import retries
from pipeline.composition.plugins import stages
from pipeline.engine import executor, reconciler
from pipeline.engine.dispatch import work_of
from pipeline.engine.process import runtime
from pipeline.names import MAINTENANCE_TASKS, STAGES, task_name

__all__ = ["register"]

PERIODIC = {
    "reindex": "pipeline.reindex.driver:advance",
    "sweep": "pipeline.ingest.cleanup:sweep",
}
"""Maintenance of rooms above the engine, a function of `Services` each, resolved when its task runs."""


def register(app: Celery) -> None:
    """Put all tasks on a worker's application: the stages, those of plug-ins too, and the maintenance tasks."""
    # Not shared: a process may hold two applications, a worker's own and the one that publishes.
    for stage in (*STAGES, *(stage.name for stage in stages())):
        app.task(name=task_name(stage), bind=True, max_retries=None, shared=False)(_stage_task(stage))
    for name in MAINTENANCE_TASKS:
        app.task(name=task_name(name), ignore_result=True, shared=False)(_maintenance_task(name))


def _stage_task(stage: str) -> Any:
    def perform(task: Task, batch_id: str, part: int = 0) -> None:
        process = runtime()
        try:
            executor.run(process.services, process.node, work_of(process, stage), task.request.id, task.request.retries)
        except executor.Transient as error:
            delay_s = retries.delay_s(process.services.settings, task.request.retries, error.__cause__)
            raise task.retry(exc=error, countdown=delay_s, priority=_priority(task)) from error

    perform.__name__ = stage
    perform.__doc__ = f"Do the stage {stage} of one batch, or of one part of it."
    return perform


def _priority(task: Task) -> int | None:
    """The priority of the message that brought the task, on the broker's scale."""
    properties = task.request.get("properties") or {}
    delivery = task.request.delivery_info or {}
    priority = delivery.get("priority", properties.get("priority"))
    return int(priority) if priority is not None else None


def _maintenance_task(name: str) -> Any:
    def maintain() -> None:
        resolve_name(PERIODIC[name])(runtime().services)

    functions = {"reconcile": _reconcile, "recover": _recover}
    return functions.get(name, maintain)


def _reconcile() -> None:
    """Publish lost work again."""
    reconciler.reconcile(runtime().services)


def _recover(batch_id: str) -> None:
    """The errback of every canvas: a task of this batch failed in Celery, by a time limit or a lost process."""
    time.sleep(0.2)  # the failed task's message is acknowledged right after the errback is sent
    reconciler.recover(runtime().services, batch_id)
