"""The Celery tasks: each guards, calls its stage, commits, publishes. No logic lives here."""

from __future__ import annotations

import random
import time
from typing import Any

from celery import Celery, Task

from pipeline.composition.plugins import stages
from pipeline.engine import executor, reconciler
from pipeline.engine.celery_app import MAINTENANCE_TASKS, STAGES, task_name
from pipeline.engine.dispatch import body_of
from pipeline.engine.process import runtime
from pipeline.settings import Settings

__all__ = ["register"]


def register(app: Celery) -> None:
    """Put all tasks on the application."""
    # Not shared: a process may hold two applications, a worker's own and the one that publishes.
    for stage in (*STAGES, *(one.name for one in stages())):
        app.task(name=task_name(stage), bind=True, max_retries=None, shared=False)(_stage_task(stage))
    for name, function in zip(MAINTENANCE_TASKS, (_reconcile, _recover, _reindex, _sweep), strict=True):
        app.task(name=task_name(name), ignore_result=True, shared=False)(function)


def _stage_task(stage: str) -> Any:
    def perform(task: Task, batch_id: str, part: int = 0) -> None:
        here = runtime()
        try:
            executor.run(here.services, here.node, body_of(here, stage), task.request.id, task.request.retries)
        except executor.Transient as error:
            delay_s = _delay_s(here.services.settings, task.request.retries, error.__cause__)
            raise task.retry(exc=error, countdown=delay_s, priority=_priority(task)) from error

    perform.__name__ = stage
    perform.__doc__ = f"Do the stage {stage} of one batch, or of one part of it."
    return perform


def _delay_s(settings: Settings, retries: int, cause: BaseException | None) -> float:
    """Seconds until a retry: doubling, with full jitter; never before the other side said it can be asked again."""
    longest = min(settings.retry_backoff_s * 2 ** min(retries, 30), settings.retry_backoff_max_s)
    asked = getattr(cause, "retry_after", None) or 0.0
    return max(random.uniform(0, longest), min(asked, settings.retry_backoff_max_s))  # noqa: S311 - no secret


def _priority(task: Task) -> int | None:
    properties = task.request.get("properties") or {}
    info = task.request.delivery_info or {}
    found = info.get("priority", properties.get("priority"))
    return int(found) if found is not None else None


def _reconcile() -> None:
    """Look for lost work."""
    reconciler.reconcile(runtime().services)


def _recover(batch_id: str) -> None:
    """Celery told that a task of this batch failed outside our hands."""
    time.sleep(0.2)  # the failed task's message is acknowledged right after the errback is sent
    reconciler.recover(runtime().services, batch_id)


def _reindex() -> None:
    """Take the next step of every re-index."""
    from pipeline.reindex.driver import advance

    advance(runtime().services)


def _sweep() -> None:
    """Clean up what nobody needs any more."""
    from pipeline.ingest.cleanup import sweep

    sweep(runtime().services)
