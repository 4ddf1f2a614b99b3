"""Files whose documents have failed before: left alone in quarantine, or failed again without being read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.catalog import Connection
from pipeline.catalog.documents import records, tagging
from pipeline.catalog.documents.quarantine import leave_alone
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import failures
from pipeline.catalog.work.jobs import Job
from pipeline.ingest.results import IntakeResult
from pipeline.services import Services

__all__ = ["FailedBefore", "find_failed"]


@dataclass(frozen=True, slots=True)
class FailedBefore:
    """The sources of a group of files whose documents have failed.

    Args:
        collection: the collection of the files.
        recipe: what besides the content decides their points.
        reading: how their files would be read now.
        quarantined: sources that have ended too many attempts.
        suspects: sources that failed when they were read in this way.
    """

    collection: str
    recipe: str
    reading: str
    quarantined: Collection[str]
    suspects: Collection[str]

    def __contains__(self, source: str) -> bool:
        return source in self.quarantined or source in self.suspects

    def record(self, connection: Connection, job_id: str, file: FileRecord) -> IntakeResult | None:
        """Record that a file fails without being tried; None if it is to be tried."""
        left = leave_alone(connection, job_id, self.collection, file) if file.source in self.quarantined else None
        if left is not None:
            return IntakeResult(left[0], file.source, file.size, "failed", left[1])
        if file.source not in self.suspects:
            return None
        cause = records.unchanged_failure(connection, self.collection, self.recipe, self.reading, file)
        if cause is None:
            return None
        document_id = records.reject(connection, job_id, file.source, file.size, cause, self.collection)
        tagging.set_tags(connection, document_id, file.tags)
        return IntakeResult(document_id, file.source, file.size, "failed", cause)


def find_failed(
    services: Services, connection: Connection, job: Job, collection: str, recipe: str, known: Collection[str]
) -> FailedBefore:
    """Find which of the known sources of a collection have failed before.

    Args:
        services: the engine's services.
        connection: a writing transaction.
        job: the job that the files belong to.
        collection: the collection that they go to.
        recipe: what besides the content decides their points.
        known: sources that the collection may know.
    """
    reading = services.reading_of(job.ocr)
    suspects = failures.sources_with_reading(connection, collection, reading, known)
    quarantined = failures.quarantined_sources(connection, collection, known, services.settings.quarantine_after)
    return FailedBefore(collection, recipe, reading, quarantined, suspects)
