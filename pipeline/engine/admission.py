"""Admission: start waiting batches, as many as keep the workers busy, and publish their first canvas."""

from __future__ import annotations

import redis
import structlog

from pipeline.catalog import CATALOG_ERRORS
from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import admission, batches
from pipeline.catalog.work.large_files import LargeFiles
from pipeline.engine.canvas import Batch, begin
from pipeline.engine.celery_app import broker_priority
from pipeline.engine.heartbeat import count_workers
from pipeline.engine.publisher import UNREACHED, publish
from pipeline.names import LARGE
from pipeline.services import Services
from pipeline.settings.room import full_disk
from pipeline.stack.process_plan import cores

__all__ = ["admit", "admit_safely"]

log = structlog.get_logger()

UNADMITTED: tuple[type[Exception], ...] = (*UNREACHED, redis.RedisError, *CATALOG_ERRORS)
"""Errors after which admission is left to the reconciler."""


def admit(services: Services) -> int:
    """Admit waiting batches, up to each job's window and as many as keep the workers busy, and publish them.

    Returns:
        How many were admitted; none while the disk is full.
    """
    if full_disk(services.settings) is not None:
        return 0  # what is admitted fills the spool
    with services.catalog.connect() as connection:
        if not admission.is_any_waiting(connection):
            return 0
        limits = services.settings.window, admission.due_per_worker(connection) * _workers(services, "embed@embed")
        large = _large_files(services)
        if not admission.choose(connection, *limits, large):
            return 0  # nothing to admit: the write lock is not taken
    with writing(services.catalog, durable=False) as connection:
        admitted = admission.admit(connection, *limits, "extract", large)
    with services.catalog.connect() as connection:
        publications = {batch_id: batches.priority_and_plan(connection, batch_id) for batch_id in admitted}
    for batch_id, (priority, plan) in publications.items():
        batch = Batch(batch_id, broker_priority(priority, services.settings), plan)
        publish(services, begin(batch), batch)
    return len(admitted)


def admit_safely(services: Services) -> None:
    """Admit waiting batches; log an error instead of raising it. The reconciler admits too."""
    try:
        admit(services)
    except UNADMITTED as error:
        log.warning("admission.failed", error=str(error))


def _large_files(services: Services) -> LargeFiles:
    """Large files, and how many may be read at once while smaller ones wait: one process is left for these."""
    settings = services.settings
    processes = _workers(services, "extract@extract") * (settings.extract_processes or cores())
    return LargeFiles((settings.batch_mb << 20) // LARGE, max(processes - 1, 1))


def _workers(services: Services, capability: str) -> int:
    """Count the living workers with a capability; at least 1."""
    try:
        return max(count_workers(services.redis, capability), 1)
    except redis.RedisError:
        return 1
