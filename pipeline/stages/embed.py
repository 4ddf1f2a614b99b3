"""Embed: make the vectors of one chunk batch, or read them from the cache of texts that were embedded before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from embeddings.errors import EndpointError
from embeddings.vectors import Vectors
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import indexes, vector_cache
from pipeline.catalog.work import attempt_counters, attempts, batch_documents, turns
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.ledger import Claim
from pipeline.errors.problem import problem_of
from pipeline.services import Services
from pipeline.stages.artifacts import Part, load_part, part_before, vectors_key
from pipeline.stages.chunking import text_hash
from pipeline.stages.done import Done
from pipeline.stages.vector_files import write_vectors

__all__ = ["embed_missing", "work"]

Embed = Callable[[Sequence[str]], Vectors]

DOWN = 3
"""After so many failed documents in a row the endpoint counts as down."""


def work(services: Services, claim: Claim) -> Done:
    """Embed the chunks of documents that are still under way, and write the vectors for `upsert`."""
    with services.catalog.connect() as connection:
        current = batch_documents.running(connection, claim.batch_id)
        wanted = {attempt.attempt_id for attempt in current} & set(claim.detail["attempts"])
        index = indexes.get(connection, current[0].index) if wanted else None
    if index is None:
        unwanted = not current
        return Done(lambda connection: turns.drop(connection, claim.batch_id, claim.stage) if unwanted else None)
    part = load_part(services.spool, part_before(claim.plan, claim.batch_id, claim.part, "embed"))
    hashes = [text_hash(chunk.searched_text) for _, chunk in part.chunks]
    embedder = services.models.embedder(index.spec, index.fingerprint)
    space = index.fingerprint.id
    known: dict[str, Vectors] = {}
    with vector_cache.ignore_if_unusable(), services.cache.connect() as connection:
        known = vector_cache.lookup(connection, space, hashes, index.fingerprint.dim)
    wanted_texts = [(name, chunk.searched_text) for name, chunk in part.chunks if name in wanted]
    fresh, failed = _fresh(wanted_texts, known, embedder.embed, claim.last_try)
    by_hash = {**known, **fresh}
    empty = np.zeros(index.fingerprint.dim, dtype=np.float32)  # for a document that has failed or was cancelled
    vectors = np.stack([by_hash.get(name, empty) for name in hashes] or [empty]).astype(np.float32)[: len(hashes)]
    write_vectors(services.spool, vectors_key(claim.batch_id, claim.part), vectors)
    if fresh:
        rows = vector_cache.to_rows(space, fresh)
        with vector_cache.ignore_if_unusable(), writing(services.cache, durable=False) as connection:
            vector_cache.store(connection, rows)

    def record(connection: Connection) -> None:
        attempts.fail(connection, failed)
        attempt_counters.add(connection, _amounts(part, hashes, known), claim.batch_id)
        attempts.advance_embedded(connection, sorted(wanted))

    cached = sum(name in known for name in hashes)
    return Done(record, facts={"chunks": len(hashes), "embedded": len(fresh), "cached": cached})


def embed_missing(texts: Sequence[str], known: Mapping[str, Vectors], embed: Embed) -> dict[str, Vectors]:
    """Embed each distinct text whose hash is not in `known`. Returns the new vectors, (dim,) float32, by hash."""
    missing = {name: text for text in texts if (name := text_hash(text)) not in known}
    return dict(zip(missing, embed(list(missing.values())), strict=True)) if missing else {}


def _fresh(
    texts: Sequence[tuple[str, str]], known: Mapping[str, Vectors], embed: Embed, last_try: bool
) -> tuple[dict[str, Vectors], dict[str, Failure]]:
    """Embed texts, given as (attempt, text). A text that the endpoint refuses fails only the document that holds it."""
    names = list(dict.fromkeys(name for name, _ in texts))
    try:
        return embed_missing([text for _, text in texts], known, embed), {}
    except EndpointError as error:
        if len(names) == 1 or (error.transient and not last_try):
            raise
    fresh: dict[str, Vectors] = {}
    failed: dict[str, Failure] = {}
    for name in names:
        try:
            fresh |= embed_missing([text for owner, text in texts if owner == name], {**known, **fresh}, embed)
        except EndpointError as error:
            failed[name] = Failure("embed", problem_of(error))
            if error.transient and len(failed) == DOWN and not fresh:
                raise
    return fresh, failed


def _amounts(part: Part, hashes: Sequence[str], known: Mapping[str, Vectors]) -> dict[str, dict[str, int]]:
    done = Counter(attempt_id for attempt_id, _ in part.chunks)
    cached = Counter(attempt_id for (attempt_id, _), name in zip(part.chunks, hashes, strict=True) if name in known)
    return {name: {"chunks_embedded": number, "chunks_cached": cached[name]} for name, number in done.items()}
