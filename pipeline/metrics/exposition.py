"""All metrics together, in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from pipeline import stack
from pipeline.health.side_by_side import SideBySide
from pipeline.metrics import storage, workers
from pipeline.metrics.families import gauge_of_one
from pipeline.metrics.sources import Sources
from pipeline.results import disk_status
from pipeline.services import Services
from pipeline.task_manager import TaskManager

__all__ = ["CONTENT_TYPE", "Metrics"]

log = structlog.get_logger()

PATIENCE_S = 4.0
"""A part that has not answered by then is down. Prometheus gives a scrape 10 seconds, of which 5 may go to the key."""


class Metrics:
    """The metrics of the whole system, as one process reads them from catalog, Redis and disk.

    A scrape must be cheap with any number of documents, and must say what is wrong while a part is down: each part is
    read by itself, and what it would have said is left out.
    """

    def __init__(self, services: Services, manager: TaskManager) -> None:
        self._settings = services.settings
        sources = Sources(services, manager)
        self._parts = sources.parts
        self._read: SideBySide[list[Metric] | Exception] = SideBySide(
            {name: _listed(read) for name, read in {**sources.parts, **sources.others}.items()},
            failure=lambda error: error,
            no_answer=lambda waited_s: TimeoutError(f"no answer for {waited_s:.0f} s"),
            patience_s=PATIENCE_S,
        )

    def exposition(self) -> bytes:
        """The values of this moment in the text format."""
        registry = CollectorRegistry()
        registry.register(_Collected(self))
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """The values of this moment."""
        found = self._read.run(self._read.names)
        up = {part: int(not isinstance(found[part], Exception)) for part in self._parts}
        yield gauge_of_one("docrelay_up", "1 while a part answers the API.", "part", up)
        for source, metrics in found.items():
            if isinstance(metrics, Exception):
                log.warning("metrics.left_out", source=source, error=f"{type(metrics).__name__}: {metrics}")
            else:
                yield from metrics
        yield from workers.processes(stack.states(self._settings))
        yield from storage.disk(disk_status(self._settings))


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


def _listed(read: Callable[[], Iterator[Metric]]) -> Callable[[], list[Metric] | Exception]:
    return lambda: list(read())
