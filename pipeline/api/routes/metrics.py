"""`GET /metrics` in Prometheus's text format: queues, documents, watched folders, and what the stages have done."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.api.auth import AuthenticatedRoute, Reader
from pipeline.api.problems import responses
from pipeline.api.state import Api, ApiState
from pipeline.engine.metrics import counted, counted_dead_letters
from pipeline.results import DiskStatus, DriftStatus, QueueStatistics, SystemStatus, WatchedFolder

__all__ = ["router"]

router = APIRouter(route_class=AuthenticatedRoute, tags=["facts"], responses=responses(401, 403, 429, 500, 503))


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "as Prometheus reads it"}
    },
)
def metrics(api: Api, _caller: Reader) -> Response:
    """Counters and gauges in Prometheus's text format. A held deletion is `docrelay_watch_held_deletions` above 0."""
    registry = CollectorRegistry()
    registry.register(_CurrentValues(api))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _CurrentValues(Collector):
    """Collects the metrics from the catalog and Redis at each request."""

    def __init__(self, api: ApiState) -> None:
        self._api = api

    def describe(self) -> list[Metric]:
        """No names in advance: they are known only by collecting, which would be done twice."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the catalog and Redis."""
        yield from _stages(self._api)
        yield _dead_letters(self._api)
        system = self._api.manager.totals()
        yield from _catalog(system)
        yield from _watched(system.watched)
        yield from _drift(system.drift)
        yield from _disk(system.disk)
        if system.queues is not None:
            yield from _queues(system.queues)


def _stages(api: ApiState) -> Iterator[Metric]:
    """How many tasks each stage has ended with which outcome, and how long they took."""
    tasks, seconds = counted(api.services.redis)
    ended = CounterMetricFamily("docrelay_stage_tasks", "Tasks by how they ended.", labels=("stage", "outcome"))
    for labels, number in sorted(tasks.items()):
        ended.add_metric(labels, number)
    took = CounterMetricFamily("docrelay_stage_seconds", "Time spent in tasks.", labels=("stage",))
    for stage, spent in sorted(seconds.items()):
        took.add_metric((stage,), spent)
    yield from (ended, took)


def _dead_letters(api: ApiState) -> Metric:
    """What became of the messages that no task could answer."""
    ended = CounterMetricFamily(
        "docrelay_dead_letters", "Messages set aside by what became of them.", labels=("outcome",)
    )
    for outcome, number in sorted(counted_dead_letters(api.services.redis).items()):
        ended.add_metric((outcome,), number)
    return ended


def _catalog(system: SystemStatus) -> Iterator[Metric]:
    yield _gauge("docrelay_documents", "Documents by state.", "state", system.documents)
    yield _gauge(
        "docrelay_outdated", "Documents that an earlier version of Docrelay read.", "collection", system.outdated
    )
    yield _gauge("docrelay_chunks", "Chunks that are searchable.", "collection", system.collections)
    yield GaugeMetricFamily("docrelay_failures", "Documents that failed and are not cured.", value=system.failures)


def _watched(folders: list[WatchedFolder]) -> Iterator[Metric]:
    held = {folder.root: folder.held_files for folder in folders}
    files = {folder.root: folder.files for folder in folders}
    trouble = {folder.root: int(folder.trouble is not None) for folder in folders}
    yield _gauge("docrelay_watch_files", "Files known of a watched folder.", "folder", files)
    yield _gauge("docrelay_watch_held_deletions", "Deletions that wait for somebody to confirm.", "folder", held)
    yield _gauge("docrelay_watch_trouble", "1 while a folder cannot be watched.", "folder", trouble)


def _drift(drift: DriftStatus) -> Iterator[Metric]:
    missing = {found.collection: max(found.expected - found.points, 0) for found in drift.collections}
    surplus = {found.collection: max(found.points - found.expected, 0) for found in drift.collections}
    yield _gauge("docrelay_points_missing", "Points that the catalog has and the store has not.", "collection", missing)
    yield _gauge("docrelay_points_surplus", "Points that the store has and the catalog has not.", "collection", surplus)
    yield _gauge("docrelay_drift", "What the last verification found and did not mend.", "kind", drift.left)


def _disk(disk: DiskStatus | None) -> Iterator[Metric]:
    if disk is not None:
        yield GaugeMetricFamily("docrelay_disk_full", "1 while work waits for room on the disk.", value=int(disk.full))
        yield GaugeMetricFamily("docrelay_disk_free_bytes", "Bytes that are free on the disk.", value=disk.free_bytes)


def _queues(queues: QueueStatistics) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "docrelay_dead_letter_messages", "Messages that no task could answer.", value=queues.dead_letters
    )
    yield _gauge("docrelay_queue_messages", "Messages that wait.", "queue", queues.depth)
    yield GaugeMetricFamily(
        "docrelay_waiting_batches", "Batches that wait to be admitted.", value=queues.waiting_batches
    )
    yield GaugeMetricFamily("docrelay_workers", "Worker processes that live.", value=len(queues.workers))


def _gauge(name: str, about: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family
