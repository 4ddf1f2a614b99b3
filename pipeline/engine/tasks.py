"""The Celery tasks. Workers register them; publishers send them by name."""

from __future__ import annotations

import time
from pkgutil import resolve_name
from typing import Any

import structlog
from celery import Celery, Task
from celery.exceptions import Ignore, Reject

from pipeline import retries
from pipeline.composition.plugins import stages
from pipeline.engine import executor, reconciler
from pipeline.engine.dispatch import work_of
from pipeline.engine.process import Worker
from pipeline.engine.requests import request_class
from pipeline.engine.room import pause_if_full
from pipeline.engine.watched import after_return, watch_publishing
from pipeline.gates_for_tests import DROPPED, are_watched, pass_gate
from pipeline.names import MAINTENANCE_TASKS, STAGES, task_name

__all__ = ["register"]

log = structlog.get_logger()

PERIODIC = {
    "reconcile": "pipeline.engine.reconciler:reconcile",
    "reindex": "pipeline.reindex.driver:advance",
    "schedule": "pipeline.schedule.runner:run_due",
    "sweep": "pipeline.ingest.cleanup:sweep",
    "verify": "pipeline.verification.schedule:watch_drift",
}
"""The periodic tasks, each a function of `Services`. By name, as some are in packages above the engine."""

OF_PROCESS = ("schedule",)
"""Those that claim work for this process: they take its name in claims, too."""

ACKNOWLEDGED_S = 0.2
"""Celery acknowledges the message of a failed task right after it has sent the errback: the errback waits for it."""


def register(app: Celery, worker: Worker) -> None:
    """Register all tasks with a worker's application: built-in stages, declared stages, maintenance tasks."""
    # Not shared: a process may have two applications, one of the worker and one that publishes.
    more: dict[str, Any] = {"Request": request_class(worker)}
    if are_watched():
        watch_publishing(worker.node)
        more["after_return"] = after_return(worker.node)
    for stage in (*STAGES, *(stage.name for stage in stages())):
        app.task(name=task_name(stage), bind=True, max_retries=None, shared=False, **more)(_stage_task(worker, stage))
    for name in MAINTENANCE_TASKS:
        app.task(name=task_name(name), ignore_result=True, shared=False)(_maintenance_task(worker, name))


def _stage_task(worker: Worker, stage: str) -> Any:
    def perform(task: Task, batch_id: str, part: int = 0) -> None:
        process = worker.runtime()
        work, tries = work_of(process, stage), task.request.retries
        if pause_if_full(process.services, stage):
            # A retry would count: the message goes back as it came.
            raise Reject("disk full", requeue=True)
        try:
            executor.run(process.services, process.runner, work, task.request.id, tries)
        except executor.InOtherHands as error:
            log.info("task.copy", task=task.request.id)
            pass_gate(DROPPED, task.request.id, process.node)
            # Not done, so that neither the chain goes on nor the chord counts: the original does both.
            raise Ignore from error
        except executor.Transient as error:
            delay_s = retries.delay_s(worker.settings, tries, error.__cause__)
            raise task.retry(exc=error, countdown=delay_s, priority=_priority(task)) from error

    perform.__name__ = stage
    perform.__doc__ = f"Run the stage {stage} on one batch, or on one part of it."
    return perform


def _priority(task: Task) -> int | None:
    """The priority of the task's message, on the broker's scale."""
    properties = task.request.get("properties") or {}
    delivery = task.request.delivery_info or {}
    priority = delivery.get("priority", properties.get("priority"))
    return int(priority) if priority is not None else None


def _maintenance_task(worker: Worker, name: str) -> Any:
    if name == "recover":
        return _recover_task(worker)

    def maintain() -> None:
        process = worker.runtime()
        resolve_name(PERIODIC[name])(process.services, *([process.runner] if name in OF_PROCESS else []))

    return maintain


def _recover_task(worker: Worker) -> Any:
    def recover(batch_id: str) -> None:
        """The errback of every canvas: a task of this batch failed in Celery, by a time limit or a lost process."""
        time.sleep(ACKNOWLEDGED_S)
        reconciler.recover(worker.runtime().services, batch_id)

    return recover
