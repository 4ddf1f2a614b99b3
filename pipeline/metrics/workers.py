"""Metrics of processes: living workers by group, what each of them does, and the processes of the private stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import redis
from prometheus_client.core import Metric

from pipeline.counters import Labels
from pipeline.engine.groups import GROUPS
from pipeline.engine.heartbeat import intake_node, living_capabilities
from pipeline.engine.liveness import active_key, processes_key
from pipeline.metrics.families import counter, gauge_of_one, number
from pipeline.stack import ProcessState

__all__ = ["WorkerLoad", "processes", "read_workers", "workers", "working_processes"]


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """A living worker: its node, what it can do, the tasks that it is doing, and the processes that do tasks."""

    node: str
    capabilities: frozenset[str]
    tasks: int
    processes: int

    @property
    def name(self) -> str:
        """Its name without what is unique to one start of it; workers of several hosts may share it."""
        return self.node.partition("@")[0]

    @property
    def queues(self) -> set[str]:
        """The queues that it serves."""
        return {capability.rpartition("@")[2] for capability in self.capabilities}

    def is_of(self, group: str) -> bool:
        """Whether it serves a queue of this group; one that serves only queues of workflows is of none."""
        return not self.queues.isdisjoint(GROUPS[group])


def read_workers(connection: redis.Redis) -> list[WorkerLoad]:
    """The workers that live. Raises redis.RedisError."""
    nodes = {
        node: found for node, found in living_capabilities(connection).items() if not node.startswith(intake_node(""))
    }
    with connection.pipeline(transaction=False) as pipe:
        for node in nodes:
            pipe.scard(active_key(node))
            pipe.scard(processes_key(node))
        numbers = pipe.execute()
    loads = zip(nodes.items(), numbers[::2], numbers[1::2], strict=True)
    return [WorkerLoad(node, found, active, working_processes(pool)) for (node, found), active, pool in loads]


def working_processes(reported: int) -> int:
    """How many of the processes that a worker reports do tasks: not the parent of a pool, which only hands them out."""
    return reported - 1 if reported > 1 else reported


def workers(loads: Sequence[WorkerLoad], queues: Iterable[str]) -> Iterator[Metric]:
    """Living workers, by queue, by group and by name; `queues`: those that must be served."""
    serving = {queue: sum(queue in load.queues for load in loads) for queue in queues}
    groups = {group: sum(load.is_of(group) for load in loads) for group in GROUPS}
    tasks, pools = Counter[str](), Counter[str]()
    for load in loads:
        tasks[load.name] += load.tasks
        pools[load.name] += load.processes
    yield number("docrelay_workers", "Workers that live.", len(loads))
    yield gauge_of_one("docrelay_queue_workers", "Workers that live by the queues that they serve.", "queue", serving)
    yield gauge_of_one("docrelay_group_workers", "Workers that live by group.", "group", groups)
    yield gauge_of_one("docrelay_worker_tasks", "Tasks that a worker is doing.", "worker", tasks)
    yield gauge_of_one("docrelay_worker_processes", "Processes of a worker that do tasks.", "worker", pools)


def processes(found: Sequence[ProcessState]) -> Iterator[Metric]:
    """The processes of the private stack of this machine; there are none where every part runs by itself."""
    ready: Mapping[str, int] = {process.name: int(process.state == "ready") for process in found}
    restarts: dict[Labels, float] = {(process.name,): float(process.restarts) for process in found}
    yield gauge_of_one("docrelay_process_ready", "1 while a process of the stack is ready.", "process", ready)
    yield counter("docrelay_process_restarts", "Restarts of a process of the stack.", ("process",), restarts)
