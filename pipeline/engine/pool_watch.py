"""The parent of a pool watches its processes: it reports which live and what they do, and kills those that stand still.

A process that a signal has stopped is killed after a while, and its task goes to another. A process that is merely
slow is left alone: only the kernel's state of the process counts, not its silence.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import redis
import structlog

from pipeline.engine.heartbeat import text
from pipeline.engine.liveness import KEPT_S, active_key, processes_key
from pipeline.engine.process_identity import identity, is_living
from pipeline.stack.frozen import is_stopped

__all__ = ["PoolWatch", "active_tasks", "pool_pids"]

log = structlog.get_logger()


class PoolWatch:
    """Reports the pool of one worker.

    Args:
        connection: the Redis of the heartbeats.
        node: the worker.
        pids: the processes of the pool.
        active: ids of the tasks that the pool is doing.
        stopped_s: seconds after which a process that stands still is killed.
    """

    def __init__(
        self,
        connection: redis.Redis,
        node: str,
        pids: Callable[[], Iterable[int]],
        active: Callable[[], Iterable[str]],
        stopped_s: float,
    ) -> None:
        self._connection = connection
        self._node = node
        self._pids = pids
        self._active = active
        self._stopped_s = stopped_s
        self._stopped_since: dict[int, float] = {}
        self._condemned: set[str] = set()

    def condemn(self, pid: int) -> None:
        """Report a process as ended that is about to be killed."""
        name = identity(pid)
        if name is not None:
            self._condemned.add(name)
            self._report_safely()

    def start(self, every_s: float) -> Callable[[], None]:
        """Report now, and then regularly in a thread. Returns a function that ends it."""
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(every_s):
                self._report_safely()

        self._report_safely()
        threading.Thread(target=go_on, name="pool-watch", daemon=True).start()
        return ended.set

    def report(self) -> None:
        """Write the living processes and their tasks to Redis, and remove processes that have ended.

        Raises:
            redis.RedisError: Redis cannot be reached; stopped processes are killed all the same.
        """
        pids = set(self._pids())
        self._kill_stopped(pids)
        key = processes_key(self._node)
        known = {text(name) for name in self._connection.smembers(key)}
        living = {name for pid in pids if (name := identity(pid)) is not None} - self._condemned
        # A process that is not in the list may have started since: only what has ended for sure is removed.
        ended = {name for name in known - living if name in self._condemned or not is_living(name)}
        active = set(self._active())
        with self._connection.pipeline() as pipe:
            if living - known:
                pipe.sadd(key, *living - known)
            if ended:
                pipe.srem(key, *ended)
            pipe.expire(key, KEPT_S)
            pipe.delete(active_key(self._node))
            if active:
                pipe.sadd(active_key(self._node), *active)
                pipe.expire(active_key(self._node), KEPT_S)
            pipe.execute()

    def _report_safely(self) -> None:
        try:
            self.report()
        except Exception as error:  # an entry point: whatever it is, the next report comes
            log.warning("pool_watch.failed", error=f"{type(error).__name__}: {error}")

    def _kill_stopped(self, pids: set[int]) -> None:
        now = time.monotonic()
        stopped = {pid for pid in pids if pid != os.getpid() and is_stopped(pid)}
        self._stopped_since = {pid: self._stopped_since.get(pid, now) for pid in stopped}
        for pid, since in self._stopped_since.items():
            if now - since >= self._stopped_s:
                log.warning("pool_process.killed", node=self._node, pid=pid, cause="it stood still")
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)


def pool_pids(pool: Any) -> list[int]:
    """The processes of a Celery pool and this one, in which a pool without processes of its own works."""
    try:
        return [os.getpid(), *pool.info.get("processes", ())]
    except AttributeError:  # the pool has ended
        return [os.getpid()]


def active_tasks() -> list[str]:
    """Ids of the tasks that the pool of this process is doing."""
    from celery.worker.state import active_requests

    for _ in range(3):
        try:
            return [str(request.id) for request in list(active_requests)]
        except RuntimeError:  # another thread has changed the set meanwhile
            continue
    return []
