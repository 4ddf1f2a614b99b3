"""What a worker reports of itself beside its heartbeat: where it runs, since when, which version, which memory it has.

It has a Redis key of its own: the value of a heartbeat is read by workers of earlier versions, which report nothing.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any, NamedTuple

import psutil
import redis
import structlog

from pipeline.engine.heartbeat import text, worker_key

__all__ = ["WorkerReport", "memory_of", "read_reports", "start_reporting"]

log = structlog.get_logger()

KEPT_S = 3600
"""The last report of a dead worker stays so long at most: until then it says when the worker was seen last."""

MEASURED_S = 10.0
"""The memory is measured again after so many seconds: finding all children reads every process of the machine."""


class WorkerReport(NamedTuple):
    """A report; times are seconds since 1970. What an earlier or a later version does not report is None."""

    host: str | None = None
    version: str | None = None
    queues: Sequence[str] | None = None
    memory_bytes: int | None = None
    started_at: float | None = None
    at: float | None = None


def start_reporting(
    connection: redis.Redis, node: str, queues: Sequence[str], every_s: float, pid: int | None = None
) -> Callable[[], None]:
    """Report a worker now, and then regularly in a thread.

    Args:
        connection: the Redis of the heartbeats.
        node: the worker.
        queues: the queues that it serves.
        every_s: seconds between two reports.
        pid: the parent of its pool; by default this process.

    Returns:
        A function that ends it.
    """
    ended, started_at = threading.Event(), time.time()
    root = os.getpid() if pid is None else pid
    facts = {"host": socket.gethostname(), "version": version("docrelay"), "queues": list(queues)}
    memory = _Measured(lambda: memory_of(root))

    def report() -> None:
        sent = {**facts, "memory_bytes": memory.get(), "started_at": started_at, "at": time.time()}
        try:
            connection.set(worker_key(node), json.dumps(sent), ex=KEPT_S)
        except redis.RedisError as error:
            log.warning("report.failed", error=str(error))

    def go_on() -> None:
        report()
        while not ended.wait(every_s):
            report()

    threading.Thread(target=go_on, name="report", daemon=True).start()
    return ended.set


def memory_of(pid: int) -> int:
    """Bytes that a process and all below it have in memory; pages that several share count for each of them."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total


def read_reports(connection: redis.Redis, nodes: Collection[str]) -> dict[str, WorkerReport]:
    """The last report of each of these workers; an empty one where there is none."""
    names = list(nodes)
    values = connection.mget([worker_key(node) for node in names]) if names else []
    return {node: _parsed(value) for node, value in zip(names, values, strict=True)}


def _parsed(value: bytes | str | None) -> WorkerReport:
    sent: dict[str, Any] = json.loads(text(value)) if value is not None else {}
    return WorkerReport(**{name: sent[name] for name in WorkerReport._fields if name in sent})


class _Measured:
    """A number that is measured again when some seconds have passed."""

    def __init__(self, measure: Callable[[], int]) -> None:
        self._measure = measure
        self._due_at, self._value = 0.0, 0

    def get(self) -> int:
        if time.monotonic() >= self._due_at:
            self._value, self._due_at = self._measure(), time.monotonic() + MEASURED_S
        return self._value
