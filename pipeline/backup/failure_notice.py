"""A backup that fails is recorded as an event that rules of notifications may report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import notices
from pipeline.errors import PipelineError
from pipeline.services import Services

__all__ = ["report_failure"]

log = structlog.get_logger()


@contextmanager
def report_failure(services: Services, folder: str) -> Iterator[None]:
    """Record that the block failed, whatever the reason, and raise its error on."""
    try:
        yield
    except Exception as error:
        _record(services, folder, error)
        raise


def _record(services: Services, folder: str, error: Exception) -> None:
    message = error.message if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
    try:
        with writing(services.catalog) as connection:
            notices.add(connection, "backup.failed", folder, "error", {"folder": folder, "message": message})
    except Exception as unrecorded:  # the catalog may be what fails: the caller gets the error of the backup
        log.warning("backup.failure_not_recorded", error=f"{type(unrecorded).__name__}: {unrecorded}")
