"""Celery's prefork pool with a time limit that counts working time: a starved machine does not make good work fail."""

from __future__ import annotations

from typing import Any

from celery.concurrency import prefork
from celery.concurrency.asynpool import AsynPool
from kombu.asynchronous import get_event_loop

__all__ = ["TaskPool", "left_of_limit_s"]

LEAST_S = 1.0
"""A limit that is not reached yet is looked at again after so many seconds at the earliest."""


class LimitedPool(AsynPool):  # type: ignore[misc]  # Celery has no types
    """A pool that asks the request of a task at its time limit how much working time it has left."""

    def _on_hard_timeout(self, job: Any) -> None:
        left_s, loop = left_of_limit_s(self._cache.get(job)), get_event_loop()
        if left_s <= 0 or loop is None:
            super()._on_hard_timeout(job)
        else:
            self._tref_for_id[job] = loop.call_later(max(left_s, LEAST_S), self._on_hard_timeout, job)


class TaskPool(prefork.TaskPool):  # type: ignore[misc]  # Celery has no types
    """The pool of the group `extract`."""

    Pool = LimitedPool


def left_of_limit_s(result: Any) -> float:
    """Seconds of working time that are left to a task of the pool; 0 where that is not known."""
    request = getattr(getattr(result, "_timeout_callback", None), "__self__", None)
    left_s = getattr(request, "left_s", None)
    return float(left_s(result._timeout)) if callable(left_s) else 0.0
