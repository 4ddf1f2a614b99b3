"""Finalize: verify that every chunk is a point, switch readers to the new versions, remove the old ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog

from extractors.errors import Empty
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import live_versions
from pipeline.catalog.work import attempts, batch_documents
from pipeline.catalog.work.batch_documents import BatchedAttempt
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.ledger import Claim
from pipeline.errors import VerificationFailed
from pipeline.errors.problem import problem_of
from pipeline.points.visibility import remove_unseen
from pipeline.services import Services
from pipeline.stages.artifacts import batch_prefix
from pipeline.stages.discard import discard_originals
from pipeline.stages.done import Done
from pipeline.stages.kept_ocr import keep_pages
from pipeline.stages.upsert import store_part
from pipeline.vectorstore.base import Filter, VectorStore

__all__ = ["missing", "work"]

log = structlog.get_logger()

RETRY_HINT = "Try it again with: docrelay failures retry"
INCOMPLETE = Failure(
    "finalize", problem_of(VerificationFailed("Points of the document are missing in the store.", RETRY_HINT))
)
NOTHING_LEFT = Failure("finalize", problem_of(Empty("The stages of the workflow left no chunk of the document.")))


def work(services: Services, claim: Claim) -> Done:
    """Make the batch's documents visible, each in one step; then remove the points that they replace.

    A document whose points are missing in the store fails; the others go on.
    """
    with services.catalog.connect() as connection:
        current = batch_documents.running(connection, claim.batch_id)
        touched = batch_documents.list_ids(connection, claim.batch_id)
    blank = [attempt for attempt in current if not attempt.chunks_total]
    current = [attempt for attempt in current if attempt.chunks_total]
    incomplete = _verify(services, claim, current) if current else []
    whole = [attempt for attempt in current if attempt not in incomplete]
    if whole:
        versions = tuple(attempt.version_id for attempt in whole)
        services.store.set_payload(whole[0].index, {"live": True}, Filter(version_ids=versions))
        _switch(services, claim, versions)
    if incomplete or blank:
        with writing(services.catalog) as connection:
            attempts.fail(connection, dict.fromkeys((attempt.attempt_id for attempt in incomplete), INCOMPLETE))
            attempts.fail(connection, dict.fromkeys((attempt.attempt_id for attempt in blank), NOTHING_LEFT))
    remove_unseen(services, touched, claim.batch_id)

    def record(connection: Connection) -> None:
        attempts.complete(connection, [attempt.attempt_id for attempt in whole])

    def tidy() -> None:
        # Only after the commit: if it fails, the batch starts again from its originals.
        keep_pages(services, claim.batch_id)
        services.spool.delete(batch_prefix(claim.batch_id))
        discard_originals(services, claim.batch_id)

    facts = {
        "documents": len(whole),
        "failed": len(incomplete),
        "points": sum(attempt.chunks_total for attempt in whole),
    }
    return Done(record, tidy=tidy, facts=facts)


def missing(store: VectorStore, current: Sequence[BatchedAttempt]) -> list[BatchedAttempt]:
    """Return the documents whose number of points in the store differs from their chunks in the catalog."""
    index = current[0].index
    versions = tuple(attempt.version_id for attempt in current)
    if store.count(index, Filter(version_ids=versions)) == sum(attempt.chunks_total for attempt in current):
        return []
    return [
        attempt
        for attempt in current
        if store.count(index, Filter(version_ids=(attempt.version_id,))) != attempt.chunks_total
    ]


def _verify(services: Services, claim: Claim, current: Sequence[BatchedAttempt]) -> list[BatchedAttempt]:
    """Return the documents whose points are still missing after they were stored once more."""
    incomplete = missing(services.store, current)
    if not incomplete:
        return []
    log.warning("points.missing", documents=[attempt.document_id for attempt in incomplete])
    # None of them is visible yet. Points of an earlier run that cut the text differently are removed too.
    version_ids = tuple(attempt.version_id for attempt in incomplete)
    services.store.delete(incomplete[0].index, Filter(version_ids=version_ids))
    prefix = batch_prefix(claim.batch_id)
    for name in services.spool.names(prefix):
        if name.startswith("part-"):
            store_part(services, claim, int(name.removeprefix("part-")), incomplete)
    return missing(services.store, incomplete)


def _switch(services: Services, claim: Claim, versions: Collection[str]) -> None:
    with writing(services.catalog) as connection:
        current = batch_documents.running(connection, claim.batch_id)
        ready = {attempt.document_id: attempt.version_id for attempt in current if attempt.version_id in versions}
        live_versions.switch(connection, ready)
