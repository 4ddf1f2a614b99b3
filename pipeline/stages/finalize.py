"""Finalize: verify that every chunk is a point, switch readers to the new versions, remove the old ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog

from extractors.errors import Empty
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import garbage, live_versions
from pipeline.catalog.work import attempts
from pipeline.catalog.work.attempts import BatchedAttempt
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.ledger import Claim
from pipeline.errors import VerificationFailed
from pipeline.errors.problem import problem_of
from pipeline.points.visibility import remove_unseen
from pipeline.services import Services
from pipeline.spool import original_key
from pipeline.stages.artifacts import batch_prefix
from pipeline.stages.done import Done
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
    """Make the batch's documents visible, each in one step; then remove what they replace.

    A document whose points are not in the store, though they were stored a moment ago, fails; its neighbours do not.
    """
    with services.catalog.connect() as connection:
        carried = attempts.carried(connection, claim.batch_id)
        touched = attempts.document_ids_of_batch(connection, claim.batch_id)
    blank = [one for one in carried if not one.chunks_total]
    carried = [one for one in carried if one.chunks_total]
    lacking = _verify(services, claim, carried) if carried else []
    whole = [one for one in carried if one not in lacking]
    if whole:
        versions = tuple(one.version_id for one in whole)
        services.store.set_payload(whole[0].index, {"live": True}, Filter(version_ids=versions))
        _switch(services, claim, versions)
    if lacking or blank:
        with writing(services.catalog) as connection:
            attempts.fail(connection, dict.fromkeys((one.attempt_id for one in lacking), INCOMPLETE))
            attempts.fail(connection, dict.fromkeys((one.attempt_id for one in blank), NOTHING_LEFT))
    remove_unseen(services, touched, claim.batch_id)

    def record(connection: Connection) -> None:
        attempts.complete(connection, [one.attempt_id for one in whole])

    def tidy() -> None:
        # Only now: had the commit failed, the batch would begin anew from its originals.
        services.spool.delete(batch_prefix(claim.batch_id))
        if not services.settings.keep_originals:
            with services.catalog.connect() as connection:
                unneeded = garbage.unneeded_originals(connection, claim.batch_id)
            for content, source in unneeded:
                services.spool.delete(original_key(content, source))

    facts = {"documents": len(whole), "failed": len(lacking), "points": sum(one.chunks_total for one in whole)}
    return Done(record, tidy=tidy, facts=facts)


def missing(store: VectorStore, carried: Sequence[BatchedAttempt]) -> list[BatchedAttempt]:
    """Documents whose points in the store are not exactly their chunks in the catalog."""
    index = carried[0].index
    versions = tuple(one.version_id for one in carried)
    if store.count(index, Filter(version_ids=versions)) == sum(one.chunks_total for one in carried):
        return []
    return [one for one in carried if store.count(index, Filter(version_ids=(one.version_id,))) != one.chunks_total]


def _verify(services: Services, claim: Claim, carried: Sequence[BatchedAttempt]) -> list[BatchedAttempt]:
    """Documents that lack points even after they were stored once more."""
    lacking = missing(services.store, carried)
    if not lacking:
        return []
    log.warning("points.missing", documents=[one.document_id for one in lacking])
    # None of them is visible yet. What is not theirs, of an earlier run that cut otherwise, goes too.
    services.store.delete(lacking[0].index, Filter(version_ids=tuple(one.version_id for one in lacking)))
    prefix = batch_prefix(claim.batch_id)
    for name in services.spool.names(prefix):
        if name.startswith("part-"):
            store_part(services, claim, int(name.removeprefix("part-")), lacking)
    return missing(services.store, lacking)


def _switch(services: Services, claim: Claim, versions: Collection[str]) -> None:
    with writing(services.catalog) as connection:
        current = attempts.carried(connection, claim.batch_id)
        ready = {one.document_id: one.version_id for one in current if one.version_id in versions}
        live_versions.switch(connection, ready)
