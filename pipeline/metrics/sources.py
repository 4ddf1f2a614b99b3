"""What metrics are read from: Redis, the broker, the catalog, and what needs several of them or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import Metric

from pipeline.catalog.index import checks
from pipeline.catalog.work.failure_list import FailureClass, FailureFilter, count_classes
from pipeline.catalog.work.kept_value import KeptValue
from pipeline.catalog.work.scheduled_runs import last_ends
from pipeline.catalog.work.stage_load import stage_loads, waiting_batches
from pipeline.engine import dead_letter_queue
from pipeline.engine.broker import queue_contents, reach_broker
from pipeline.engine.celery_app import all_queues
from pipeline.errors import StackUnavailable
from pipeline.health.broker import TIMEOUT_S, short_connection
from pipeline.health.watcher import read_folders
from pipeline.metrics import counters, documents, queues, schedule, storage, workers
from pipeline.metrics.periodic import periodic
from pipeline.schedule.entries import switched_off
from pipeline.services import Services
from pipeline.task_manager import TaskManager

__all__ = ["Sources"]

Source = Callable[[], Iterator[Metric]]


class Sources:
    """The sources of metrics; each raises what its service raises while that is away.

    What takes longer than a moment to count is not waited for: it is left out until it is known, and then as it was
    counted last.
    """

    def __init__(self, services: Services, manager: TaskManager) -> None:
        if services.settings.redis_url is None:
            raise StackUnavailable
        self._services = services
        self._manager = manager
        self._redis = short_connection(services.settings.redis_url)
        self._failures = KeptValue(self._count_failures)
        self._sizes = KeptValue(lambda: storage.measure_sizes(services))

    @property
    def parts(self) -> Mapping[str, Source]:
        """Sources of which each is a part that may be down, by its name; the broker is one where it is not Redis."""
        if self._services.settings.broker_url is None:
            return {"redis": self._from_redis_with_messages, "catalog": self._from_catalog}
        return {"redis": self._from_redis, "broker": self._from_broker, "catalog": self._from_catalog}

    @property
    def others(self) -> Mapping[str, Source]:
        """Sources that are no part of their own: they need several parts, or the disk."""
        return {"watched": self._from_watchers, "sizes": self._from_disk}

    def _from_redis(self) -> Iterator[Metric]:
        settings = self._services.settings
        yield from counters.counters(self._redis, settings)
        yield from counters.histograms(self._redis)
        yield from workers.workers(workers.read_workers(self._redis), all_queues())
        yield from periodic(self._redis, settings)
        yield storage.redis_memory(self._redis)

    def _from_broker(self) -> Iterator[Metric]:
        reach_broker(self._services, TIMEOUT_S)
        yield from self._messages()

    def _from_redis_with_messages(self) -> Iterator[Metric]:
        yield from self._from_redis()
        yield from self._messages()

    def _messages(self) -> Iterator[Metric]:
        contents = queue_contents(self._services)
        yield from queues.messages(contents, dead_letter_queue.depth(self._services))
        if self._services.broker is not None:
            yield queues.priority_messages(contents)

    def _from_catalog(self) -> Iterator[Metric]:
        with self._services.catalog.connect() as connection:
            loads, waiting = stage_loads(connection), waiting_batches(connection)
            yield from documents.drift(checks.drift(connection))
            ends = last_ends(connection)
        yield from schedule.last_ends(ends, switched_off(self._services.settings))
        yield from queues.tasks(loads)
        yield from queues.waiting(waiting)
        if (counts := self._manager.counts_soon()) is not None:
            yield from documents.documents(counts)
        if (failures := self._failures.get_soon()) is not None:
            yield documents.open_failures(failures)

    def _from_watchers(self) -> Iterator[Metric]:
        yield from documents.watched_folders(read_folders(self._services, self._redis))

    def _from_disk(self) -> Iterator[Metric]:
        if (found := self._sizes.get_soon()) is not None:
            yield from storage.sizes(found)

    def _count_failures(self) -> list[FailureClass]:
        with self._services.catalog.connect() as connection:
            return count_classes(connection, FailureFilter())
