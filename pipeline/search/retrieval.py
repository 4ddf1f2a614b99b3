"""Hits of one index, of exactly one version of each document.

The store may hold two versions of a document for a moment, or parts of one that is being built. The catalog
decides which version is searchable: hits of other versions are dropped, and if versions switched during the query,
the store is queried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.catalog.documents import live_versions, lookup, tagging
from pipeline.catalog.index import indexes
from pipeline.catalog.index.indexes import Index
from pipeline.names import TEXT
from pipeline.results import Hit
from pipeline.services import Services
from pipeline.vectorstore.base import Hit as StoreHit
from pipeline.vectorstore.base import Query

__all__ = ["ROUNDS", "search_vectors"]

ROUNDS = 10
"""How often the store is queried again because versions switched meanwhile."""


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
    shown_hits = kept[: query.limit]
    with services.catalog.connect() as connection:
        metadata = live_versions.metadata_of(connection, list({hit.payload["version_id"] for hit in shown_hits}))
    return [_hit(hit, index.collection, sources, tags, metadata) for hit in shown_hits]


def _hit(
    stored: StoreHit,
    collection: str,
    sources: Mapping[str, str],
    tags: Mapping[str, list[str]],
    metadata: Mapping[str, dict[str, Any]],
) -> Hit:
    # Points get a new name or new tags of their document a moment later than the catalog.
    document_id = stored.payload["document_id"]
    source = sources[document_id]
    payload = {**stored.payload, "source": source, "tags": tags[document_id]}
    fields = {name: payload.get(name) for name in Hit.model_fields if name in payload}
    return Hit(
        **{
            **fields,
            "score": stored.score,
            "collection": collection,
            "chunk_id": stored.id,
            "section": payload.get("section") or [],
            "added": payload.get("added") or {},
            "metadata": metadata.get(payload["version_id"], {}),
            "text_id": source.removeprefix(TEXT) if source.startswith(TEXT) else None,
        }
    )
