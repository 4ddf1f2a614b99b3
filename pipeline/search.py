"""Search: the best chunks for a question, of exactly one version of each document.

The store may hold two versions of a document for a moment, or parts of one that is being built. The catalog
decides which version is searchable: hits of other versions are dropped, and if versions switched during the query,
the store is queried again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from extractors.registry import formats, media_types_of
from pipeline import rpc
from pipeline.catalog.documents import live_versions, lookup, tagging
from pipeline.catalog.index import collections, indexes
from pipeline.catalog.index.indexes import Index
from pipeline.errors import BadRequest
from pipeline.results import Hit, SearchResult
from pipeline.services import Services
from pipeline.types import Mode, canonical
from pipeline.vectorstore.base import Filter, Query
from pipeline.vectorstore.base import Hit as StoreHit
from pipeline.vectorstore.sparse import encode_query

__all__ = ["find_index", "resolve_media_types", "search", "search_vectors"]

MAX_HITS = 1000
ROUNDS = 10
"""How often the store is queried again because versions switched meanwhile."""

FIRST_ANSWER_S = 120.0
"""Longest wait for the query's vector: a worker that has just started still loads the model."""


def search(
    services: Services,
    question: str,
    collection: str,
    limit: int = 10,
    mode: Mode = "hybrid",
    where: Filter | None = None,
) -> SearchResult:
    """Search a collection.

    Raises:
        BadRequest: an empty question, a wrong limit or tag, or a type that no format has.
        SpaceMismatch: the collection was made with another model than the configured one.
        StackUnavailable: no process answers.
    """
    where = where or Filter()
    media_types, tags = resolve_media_types(where.media_types), canonical(where.tags)
    condition = replace(where, live=True, media_types=media_types, tags=tags)
    index = find_index(services, question, collection, limit)
    sparse = encode_query(question) if mode != "dense" else None
    hits: list[Hit] | None = []
    for _ in range(ROUNDS):
        if index is None:
            break
        dense = _query_vector(services, question, index) if mode != "sparse" else None
        query = Query(mode, limit, dense, sparse, condition)
        hits = search_vectors(services, index, query)
        if hits is not None:
            break
        # A re-index switched the collection to another index meanwhile, whose vectors may be of another model.
        index = find_index(services, question, collection, limit)
    return SearchResult(query=question, mode=mode, collection=collection, hits=hits or [])


def resolve_media_types(words: Sequence[str]) -> tuple[str, ...]:
    """Resolve media types as users write them: `application/pdf`, `pdf`, `.pdf` and `PDF` are the same.

    Raises:
        BadRequest: no format is known by one of the words.
    """
    by_word = {word: media_types_of(word) for word in words}
    unknown = [word for word, types in by_word.items() if not types]
    if unknown:
        known = ", ".join(row.suffixes[0].lstrip(".") for row in formats() if row.suffixes)
        raise BadRequest(f"There is no type {unknown[0]}.", f"Name a media type, or one of: {known}.")
    return tuple(dict.fromkeys(media_type for types in by_word.values() for media_type in types))


def find_index(services: Services, question: str, collection: str, limit: int) -> Index | None:
    """Check a search and find the index that answers for the collection now. No stack is needed.

    Returns:
        None when the collection does not exist yet.

    Raises:
        BadRequest: an empty or unreadable question, or a wrong limit.
        SpaceMismatch: the collection was made with another model than the configured one.
    """
    if not question.strip():
        raise BadRequest("The question is empty.", "Say what to look for.")
    if any("\ud800" <= char <= "\udfff" for char in question):
        raise BadRequest("The question holds bytes that are no text.", "Write it in UTF-8.")
    if not 1 <= limit <= MAX_HITS:
        raise BadRequest(f"The limit {limit} is out of range.", f"Take 1 to {MAX_HITS}.")
    with services.catalog.connect() as connection:
        return collections.check_space(connection, collection, services.fingerprint)


def search_vectors(services: Services, index: Index, query: Query) -> list[Hit] | None:
    """Search an index with the query's vectors: one version of each document, `query.limit` hits if there are as many.

    Returns:
        None when the collection is answered from another index meanwhile.
    """
    fetched = query.limit + 10
    kept: list[StoreHit] = []
    sources: dict[str, str] = {}
    tags: dict[str, list[str]] = {}
    for _ in range(ROUNDS):
        with services.catalog.connect() as connection:
            before = live_versions.switch_count(connection)
        matches = services.store.search(index.name, replace(query, limit=fetched))
        with services.catalog.connect() as connection:
            after = live_versions.switch_count(connection)
            # Live versions belong to one index: after a switch to another, its hits would all be dropped.
            shown = indexes.live(connection, index.collection)
            if shown is None or shown.name != index.name:
                return None
            document_ids = list({str(hit.payload["document_id"]) for hit in matches})
            live = live_versions.live_version_ids(connection, document_ids)
            sources = lookup.sources(connection, document_ids)
            tags = tagging.tags_of(connection, document_ids)
        kept = [hit for hit in matches if live.get(hit.payload["document_id"]) == hit.payload["version_id"]]
        if wanted := query.where.tags:
            kept = [hit for hit in kept if not {*wanted}.isdisjoint(tags[hit.payload["document_id"]])]
        dropped = len(matches) - len(kept)
        if dropped and before != after:
            continue
        if len(kept) >= query.limit or len(matches) < fetched:
            break
        fetched *= 2
    return [_hit(hit, sources, tags) for hit in kept[: query.limit]]


def _query_vector(services: Services, question: str, index: Index) -> list[float]:
    vector = rpc.call(services.redis, "embed", "embed_query", {"text": question, "index": index.name}, FIRST_ANSWER_S)
    return [float(value) for value in vector]


def _hit(stored: StoreHit, sources: Mapping[str, str], tags: Mapping[str, list[str]]) -> Hit:
    # Points get a new name or new tags of their document a moment later than the catalog.
    document_id = stored.payload["document_id"]
    payload = {**stored.payload, "source": sources[document_id], "tags": tags[document_id]}
    fields = {name: payload.get(name) for name in Hit.model_fields if name in payload}
    return Hit(
        **{
            **fields,
            "score": stored.score,
            "chunk_id": stored.id,
            "section": payload.get("section") or [],
            "added": payload.get("added") or {},
        }
    )
