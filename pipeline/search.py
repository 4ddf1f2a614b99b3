"""Search: the best chunks for a question, of exactly one version of each document.

The store may hold two versions of a document for a moment, or parts of one that is being built. What readers
see is decided by the catalog: hits of other versions are dropped, and if versions switched while the store was
asked, it is asked again.
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
from pipeline.vectorstore.base import Hit as Found
from pipeline.vectorstore.sparse import encode_query

__all__ = ["is_known", "named_types", "search", "search_vectors"]

MOST_HITS = 1000
ROUNDS = 10
"""How often the store is asked again because versions switched meanwhile."""

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
    given = where or Filter()
    kinds, tags = named_types(given.media_types), canonical(given.tags)
    condition = replace(given, live=True, media_types=kinds, tags=tags)
    index = is_known(services, question, collection, limit)
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
        index = is_known(services, question, collection, limit)
    return SearchResult(query=question, mode=mode, collection=collection, hits=hits or [])


def named_types(words: Sequence[str]) -> tuple[str, ...]:
    """Media types as people name them: `application/pdf`, `pdf`, `.pdf` and `PDF` are the same.

    Raises:
        BadRequest: no format is known by one of the words.
    """
    found = {word: media_types_of(word) for word in words}
    unknown = [word for word, types in found.items() if not types]
    if unknown:
        known = ", ".join(row.suffixes[0].lstrip(".") for row in formats() if row.suffixes)
        raise BadRequest(f"There is no type {unknown[0]}.", f"Name a media type, or one of: {known}.")
    return tuple(dict.fromkeys(media_type for types in found.values() for media_type in types))


def is_known(services: Services, question: str, collection: str, limit: int) -> Index | None:
    """Check a search; None when there is no such collection yet, so nothing to be found. No stack is needed.

    Returns:
        The index that answers for the collection now.

    Raises:
        BadRequest: an empty or unreadable question, or a wrong limit.
        SpaceMismatch: the collection was made with another model than the configured one.
    """
    if not question.strip():
        raise BadRequest("The question is empty.", "Say what to look for.")
    if any("\ud800" <= char <= "\udfff" for char in question):
        raise BadRequest("The question holds bytes that are no text.", "Write it in UTF-8.")
    if not 1 <= limit <= MOST_HITS:
        raise BadRequest(f"The limit {limit} is out of range.", f"Take 1 to {MOST_HITS}.")
    with services.catalog.connect() as connection:
        return collections.check_space(connection, collection, services.fingerprint)


def search_vectors(services: Services, index: Index, query: Query) -> list[Hit] | None:
    """Search an index with vectors at hand: one version of each document, `query.limit` hits if there are as many.

    Returns:
        None when the collection is answered from another index meanwhile.
    """
    asked = query.limit + 10
    kept: list[Found] = []
    sources: dict[str, str] = {}
    tags: dict[str, list[str]] = {}
    for _ in range(ROUNDS):
        with services.catalog.connect() as connection:
            before = live_versions.switch_count(connection)
        found = services.store.search(index.name, replace(query, limit=asked))
        with services.catalog.connect() as connection:
            after = live_versions.switch_count(connection)
            # Whenever the switch was, also before the first look here: what is live is that of one index.
            shown = indexes.live(connection, index.collection)
            if shown is None or shown.name != index.name:
                return None
            identities = list({str(hit.payload["document_id"]) for hit in found})
            live = live_versions.live_version_ids(connection, identities)
            sources = lookup.sources(connection, identities)
            tags = tagging.tags_of(connection, identities)
        kept = [hit for hit in found if live.get(hit.payload["document_id"]) == hit.payload["version_id"]]
        if wanted := query.where.tags:
            kept = [hit for hit in kept if not {*wanted}.isdisjoint(tags[hit.payload["document_id"]])]
        dropped = len(found) - len(kept)
        if dropped and before != after:
            continue
        if len(kept) >= query.limit or len(found) < asked:
            break
        asked *= 2
    return [_hit(hit, sources, tags) for hit in kept[: query.limit]]


def _query_vector(services: Services, question: str, index: Index) -> list[float]:
    vector = rpc.call(services.redis, "embed", "embed_query", {"text": question, "index": index.name}, FIRST_ANSWER_S)
    return [float(value) for value in vector]


def _hit(found: Found, sources: Mapping[str, str], tags: Mapping[str, list[str]]) -> Hit:
    # The points of a renamed document, or one with other tags, hear of it a moment later than the catalog.
    name = found.payload["document_id"]
    payload = {**found.payload, "source": sources[name], "tags": tags[name]}
    fields = {name: payload.get(name) for name in Hit.model_fields if name in payload}
    return Hit(
        **{
            **fields,
            "score": found.score,
            "chunk_id": found.id,
            "section": payload.get("section") or [],
            "added": payload.get("added") or {},
        }
    )
