"""Upsert: store the points of one chunk batch, not yet visible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

import structlog

from embeddings.vectors import Vectors
from pipeline.catalog import Connection
from pipeline.catalog.index import indexes
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.work import attempt_counters, batch_documents
from pipeline.catalog.work.batch_documents import BatchedAttempt
from pipeline.catalog.work.ledger import Claim
from pipeline.errors import BadRequest
from pipeline.points.visibility import mark_live, remove_unseen
from pipeline.services import Services
from pipeline.stages.artifacts import Part, load_part, part_before, vectors_key
from pipeline.stages.chunking import chunk_id
from pipeline.stages.done import Done
from pipeline.stages.vector_files import read_vectors
from pipeline.vectorstore.base import Point
from pipeline.vectorstore.payload import payload
from pipeline.vectorstore.sparse import encode_passages

__all__ = ["points", "store_part", "work"]

log = structlog.get_logger()


def work(services: Services, claim: Claim) -> Done:
    """Store the points of those documents of the batch that have not failed or been cancelled meanwhile."""
    with services.catalog.connect() as connection:
        current = batch_documents.running(connection, claim.batch_id)
    wanted = [attempt for attempt in current if attempt.attempt_id in claim.detail["attempts"]]
    if not wanted:
        return Done(lambda _connection: None)
    done = store_part(services, claim, claim.part, wanted)

    def record(connection: Connection) -> None:
        amounts = {name: {"chunks_upserted": number} for name, number in done.items()}
        attempt_counters.add(connection, amounts, claim.batch_id)

    def lost() -> None:
        # This process was suspended while another did the task, and has written the points again.
        touched = [attempt.document_id for attempt in wanted]
        mark_live(services, touched)
        remove_unseen(services, touched, claim.batch_id)

    return Done(record, facts={"points": done.total()}, lost=lost)


def store_part(services: Services, claim: Claim, part: int, wanted: Sequence[BatchedAttempt]) -> Counter[str]:
    """Store the points of one chunk batch that belong to these documents.

    Returns:
        How many points of each attempt.
    """
    loaded = load_part(services.spool, part_before(claim.plan, claim.batch_id, part, "upsert"))
    vectors = read_vectors(services.spool, vectors_key(claim.batch_id, part))
    keep = {attempt.attempt_id for attempt in wanted}
    with services.catalog.connect() as connection:
        index = indexes.get(connection, wanted[0].index)
    services.store.ensure(index.name, index.fingerprint)
    if index.role == "live" and index.collection not in services.named:
        _set_alias(services, index)
    services.store.upsert(index.name, points(loaded, vectors, keep, (index.fingerprint.id, index.spec.analyser)))
    return Counter(attempt_id for attempt_id, _ in loaded.chunks if attempt_id in keep)


def _set_alias(services: Services, index: Index) -> None:
    """Set the alias that other programs use to read a new collection in the store."""
    try:
        if index.collection not in services.store.aliases():
            services.store.set_alias(index.collection, index.name)
    except BadRequest as error:
        # Another collection or alias has the name; Docrelay itself uses the name of the index.
        log.warning("alias.refused", collection=index.collection, error=error.message)
    services.named.add(index.collection)


def points(part: Part, vectors: Vectors, keep: Set[str], space: tuple[str, int]) -> list[Point]:
    """Make the points of a chunk batch.

    Args:
        part: the chunk batch.
        vectors: (n, dim), in the order of its chunks.
        keep: the attempts whose points are made.
        space: the id of the index's fingerprint, and its analyser.
    """
    fingerprint, analyser = space
    chosen = [
        (part.documents[attempt_id], chunk, vector)
        for (attempt_id, chunk), vector in zip(part.chunks, vectors, strict=True)
        if attempt_id in keep
    ]
    sparse = encode_passages([chunk.searched_text for _, chunk, _ in chosen], analyser)
    return [
        Point(
            id=chunk_id(about.version_id, chunk.order, chunk.text),
            dense=vector.tolist(),
            sparse=terms,
            payload=payload(about, chunk, fingerprint),
        )
        for (about, chunk, vector), terms in zip(chosen, sparse, strict=True)
    ]
