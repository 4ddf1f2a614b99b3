"""The end of a worker: it takes nothing new, finishes what it does within `shutdown_grace_s`, and hands back the rest.

Celery's warm shutdown waits for running tasks without a limit, and who stopped the worker kills it after one. What is
handed back is due again at once, and its start does not count.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psutil
import redis
import structlog
from celery.worker.state import active_requests

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import ledger
from pipeline.engine.heartbeat import NODES, alive_key
from pipeline.engine.liveness import forget_node
from pipeline.engine.pool_watch import pool_pids
from pipeline.engine.process_identity import identity
from pipeline.engine.redelivery import restore
from pipeline.services import Services
from pipeline.tracing import close_traces

__all__ = ["Shutdown"]

log = structlog.get_logger()


class Shutdown:
    """The end of one worker.

    Args:
        services: those of the parent of the pool.
        node: the worker.
        pool: Celery's pool.
    """

    def __init__(self, services: Services, node: str, pool: Any) -> None:
        self._services = services
        self._node = node
        self._pool = pool

    def begin(self) -> None:
        """Let running tasks finish, in a thread; the process has ended before the grace if nothing runs any more."""
        log.info("worker.stopping", node=self._node, tasks=len(active_requests))
        threading.Thread(target=self._wait, name="shutdown", daemon=True).start()

    def hand_over(self) -> None:
        """Kill the pool, hand back its tasks, and return the messages to their queues."""
        running = [(str(request.id), self._runner(request.worker_pid)) for request in list(active_requests)]
        _kill(pid for pid in pool_pids(self._pool) if pid != os.getpid())
        try:
            with writing(self._services.catalog) as connection:
                for task_id, runner in running:
                    ledger.release(connection, task_id, runner)
        except Exception as error:  # an entry point: without the catalog the reconciler hands them back
            log.warning("worker.kept_claims", error=str(error))
        with suppress(redis.RedisError):
            self._services.redis.delete(alive_key(self._node))
            forget_node(self._services.redis, self._node)
            restore(self._services, self._node)
            self._services.redis.srem(NODES, self._node)
        log.warning("worker.handed_back", node=self._node, tasks=[task_id for task_id, _ in running])

    def _wait(self) -> None:
        time.sleep(self._services.settings.shutdown_grace_s)
        try:
            self.hand_over()
        finally:
            close_traces()
            os._exit(0)

    def _runner(self, pid: int | None) -> str:
        return f"{self._node}/{identity(pid or os.getpid())}"


def _kill(pids: Iterable[int]) -> None:
    """Kill processes and all that they started: the sandbox, Tesseract."""
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for victim in (process, *process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    victim.kill()
