"""All metrics together, in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from pipeline.catalog.work.failure_list import FailureClass, FailureFilter, count_classes
from pipeline.catalog.work.kept_value import KeptValue
from pipeline.catalog.work.scheduled_runs import last_ends
from pipeline.catalog.work.stage_load import stage_loads, waiting_batches
from pipeline.engine.broker import queue_contents
from pipeline.metrics import counters, documents, queues, schedule, storage, workers
from pipeline.services import Services
from pipeline.task_manager import TaskManager

__all__ = ["CONTENT_TYPE", "Metrics"]


class Metrics:
    """The metrics of the whole system, as one process reads them from catalog, Redis and disk.

    A scrape must be cheap with any number of documents: what takes longer than a moment to count is kept, and counted
    anew beside the next scrape.
    """

    def __init__(self, services: Services, manager: TaskManager) -> None:
        self._services = services
        self._manager = manager
        self._failures = KeptValue(self._count_failures)
        self._sizes = KeptValue(lambda: storage.measure_sizes(services))

    def exposition(self) -> bytes:
        """The values of this moment in the text format. Raises redis.RedisError."""
        registry = CollectorRegistry()
        registry.register(_Collected(self))
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """The values of this moment. Raises redis.RedisError."""
        services = self._services
        yield from counters.counters(services.redis)
        yield from counters.histograms(services.redis)
        system = self._manager.totals(at_once=True)
        yield from documents.documents(system)
        yield documents.open_failures(self._failures.get(at_once=True))
        yield from documents.watched_folders(system.watched)
        yield from documents.drift(system.drift)
        yield from self._queues()
        if system.queues is not None:
            yield from queues.messages(system.queues)
        yield from workers.workers(workers.read_workers(services.redis))
        yield from workers.processes(system.processes)
        with services.catalog.connect() as connection:
            ends = last_ends(connection)
        yield from schedule.last_ends(ends)
        yield from storage.disk(system.disk)
        yield from storage.sizes(self._sizes.get(at_once=True))
        yield storage.redis_memory(services.redis)

    def _queues(self) -> Iterator[Metric]:
        with self._services.catalog.connect() as connection:
            loads, waiting = stage_loads(connection), waiting_batches(connection)
        yield from queues.tasks(loads)
        yield queues.waiting(waiting)
        if self._services.broker is not None:
            yield queues.priority_messages(queue_contents(self._services))

    def _count_failures(self) -> list[FailureClass]:
        with self._services.catalog.connect() as connection:
            return count_classes(connection, FailureFilter())


class _Collected(Collector):
    """Metrics as a collector of prometheus-client."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> list[Metric]:
        """No names in advance: they are known only by collecting, which would be done twice."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the catalog, Redis and the disk."""
        return self._metrics.collect()
