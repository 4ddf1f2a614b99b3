"""Recording files in the catalog: documents, versions and attempts, in one batch for each collection."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.catalog import Connection
from pipeline.catalog.documents import lookup, records, tagging
from pipeline.catalog.work import batches, failures
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.ingest.content import FileContent
from pipeline.ingest.placement import placement_of
from pipeline.ingest.routing import media_type_of, routed_collection
from pipeline.services import Services
from pipeline.spool import Spool, original_key

__all__ = ["Outcome", "record"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file at intake: its document is queued, unchanged, or failed for this cause."""

    document_id: str
    source: str
    size: int
    state: Literal["queued", "unchanged", "failed"]
    cause: Failure | None = None

    @property
    def running(self) -> bool:
        """Whether its job waits for it."""
        return self.state == "queued"


def _keep(spool: Spool, taken: Iterable[FileContent]) -> None:
    for item in taken:
        key = original_key(item.found.content_sha256, item.found.source)
        if spool.exists(key):
            continue  # the draft is its owner's to drop: all this may have to be done again
        if item.data is not None:
            spool.write(key, item.data)
        elif item.draft is not None:
            spool.put_file(key, item.draft)


def record(connection: Connection, services: Services, job: Job, taken: list[FileContent]) -> list[Outcome]:
    """Write down what was taken, in one transaction: versions, attempts, a batch, and the copies in the spool."""
    by_collection: dict[str | None, list[FileContent]] = defaultdict(list)
    for item in taken:
        by_collection[_routed(services, job, item)].append(item)
    return [
        outcome
        for routed, group in by_collection.items()
        for outcome in _record_group(connection, services, job, routed, group)
    ]


def _routed(services: Services, job: Job, item: FileContent) -> str | None:
    content = item.draft if item.data is None else item.data
    if not job.plan.route or content is None:
        return None
    return routed_collection(job.plan, media_type_of(item.found.source, content, services.settings.options))


def _record_group(
    connection: Connection, services: Services, job: Job, routed: str | None, taken: list[FileContent]
) -> list[Outcome]:
    """Record files that go to one collection; a batch never holds documents of two."""
    batch_id = str(uuid.uuid4())
    place, recipe = placement_of(services, connection, job, routed)
    place = replace(place, batch_id=batch_id)
    known = lookup.possibly_known(connection, place.collection, [item.found.source for item in taken])
    suspects = failures.sources_with_reading(connection, place.collection, services.reading, known)
    outcomes: list[Outcome] = []
    fresh: list[FileContent] = []
    for item in taken:
        found = item.found
        cause = None
        if found.source in suspects:
            cause = records.unchanged_failure(connection, place.collection, recipe, services.reading, found)
        if cause is not None:
            identity = records.reject(connection, job.id, found.source, found.size, cause, place.collection)
            tagging.set_tags(connection, identity, found.tags)
            outcomes.append(Outcome(identity, found.source, found.size, "failed", cause))
            continue
        made = records.record(connection, job.id, recipe, found, place, is_new=found.source not in known)
        known.add(found.source)
        state: Literal["queued", "unchanged"] = "unchanged" if made.outcome == "unchanged" else "queued"
        outcomes.append(Outcome(made.document_id, found.source, found.size, state))
        if made.outcome == "new":
            fresh.append(item)
    # Before the catalog names them, and under its lock: the sweep cannot come between.
    _keep(services.spool, fresh)
    if fresh:
        batches.add(connection, batch_id, job.id, job.priority)
    return outcomes
