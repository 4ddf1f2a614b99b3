"""Points in a task's life that lie in Celery's code: made gates for tests, and only while a test watches."""

from __future__ import annotations

from typing import Any

from celery import current_task
from celery.signals import after_task_publish

from pipeline.gates_for_tests import PUBLISHED, RETURNED, job_of, pass_gate
from pipeline.names import task_name

__all__ = ["after_return", "watch_publishing"]


def watch_publishing(node: str) -> None:
    """Pass a gate after each message that a task of this worker publishes."""

    def published(**_: Any) -> None:
        _pass(PUBLISHED, node)

    after_task_publish.connect(published, weak=False, dispatch_uid="gates")


def after_return(node: str) -> Any:
    """Return a handler that passes a gate when the task's result is recorded; its message is acknowledged later."""

    def returned(*_: Any) -> None:
        _pass(RETURNED, node)

    return returned


def _pass(point: str, node: str) -> None:
    task = current_task
    if task and task.request.id:
        visitor = str(task.request.id)
        pass_gate(str(task.name).removeprefix(task_name("")) + point, visitor, node, job_of(visitor))
