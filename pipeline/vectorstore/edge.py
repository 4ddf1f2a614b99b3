"""The vector store in this process: Qdrant's own engine, no server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from qdrant_edge import CountRequest, EdgeShard, FacetRequest, ScrollRequest, UpdateOperation
from qdrant_edge import Filter as EdgeFilter

from embeddings.base import Fingerprint
from pipeline.vectorstore.base import Filter, Hit, Point, Query
from pipeline.vectorstore.checks import (
    bounded,
    collection_name,
    length_fits,
    missing_collection,
    points_fit,
    query_fits,
    same_space,
)
from pipeline.vectorstore.conditions import MOST_SOURCES, resolved
from pipeline.vectorstore.edge_convert import native_filter, native_payload, native_point, native_query, plain_payload
from pipeline.vectorstore.edge_shards import Collection, ShardFolder, engine_trouble

__all__ = ["EdgeStore"]

MAINTAIN_EVERY = 5_000
"""Changed points between two flushes. The log is replayed when a killed store opens again: 1.4 s per 20,000 points."""

PAGE = 10_000


class EdgeStore:
    """A `VectorStore` in a folder, owned by one process.

    The folder is locked at the first call, not when the object is made; a second process gets `StackUnavailable`.
    Every call may come from any thread; they run one after another, which costs nothing, as the engine never releases
    the interpreter lock. An upsert that has returned is in the write-ahead log and survives a killed process; a power
    cut may take what was written since the last `maintain`.
    """

    def __init__(self, path: Path) -> None:
        self._folder = ShardFolder(path)
        self._lock = RLock()
        self._changed = 0

    def ensure(self, collection: str, fingerprint: Fingerprint) -> None:
        """Create the collection with its payload indexes, or check that it holds this space.

        Raises:
            BadRequest: the name cannot name a collection.
            SpaceMismatch: the collection's vectors live in another space.
            StackUnavailable: another process owns the folder.
        """
        with self._lock, engine_trouble():
            have = self._folder.get(collection_name(collection))
            if have is None:
                self._folder.create(collection, fingerprint)
            else:
                same_space(collection, have.space, fingerprint)

    def collections(self) -> dict[str, Fingerprint]:
        """Every collection and the space of its vectors."""
        with self._lock, engine_trouble():
            found = {name: self._folder.get(name) for name in self._folder.names()}
            return {name: collection.space for name, collection in found.items() if collection}

    def drop(self, collection: str) -> None:
        """Remove the collection; one that is not there is no error."""
        with self._lock, engine_trouble():
            self._folder.drop(collection_name(collection))

    def aliases(self) -> dict[str, str]:
        """Every alias and the collection that it stands for."""
        with self._lock, engine_trouble():
            return self._folder.aliases()

    def set_alias(self, alias: str, collection: str) -> None:
        """Let another name stand for a collection, in one step.

        Raises:
            BadRequest: there is no such collection.
        """
        with self._lock, engine_trouble():
            if self._folder.get(collection_name(collection)) is None:
                raise missing_collection(collection)
            self._folder.set_alias(collection_name(alias), collection)

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Store the points durably; equal ids are overwritten.

        Raises:
            BadRequest: the collection was never created, or a vector holds NaN or infinity.
            SpaceMismatch: a vector of another length.
        """
        with self._lock, engine_trouble():
            have = self._folder.get(collection_name(collection))
            if have is None:
                raise missing_collection(collection)
            points_fit(collection, points, have.space.dim)
            if points:
                have.shard.update(UpdateOperation.upsert_points([native_point(point) for point in points]))
                self._note(len(points))

    def count(self, collection: str, where: Filter) -> int:
        """How many points match, exactly; 0 for a collection that is not there."""
        with self._lock, engine_trouble():
            have, exact = self._matching(collection, where)
            return _count(have.shard, native_filter(exact)) if have and exact else 0

    def ids(self, collection: str, where: Filter) -> list[str]:
        """Ids of all matching points, in no order."""
        with self._lock, engine_trouble():
            have, exact = self._matching(collection, where)
            return _ids(have.shard, native_filter(exact)) if have and exact else []

    def read(self, collection: str, where: Filter, limit: int) -> list[dict[str, Any]]:
        """Payloads of at most so many matching points, each with its point's `id`, in no order."""
        with self._lock, engine_trouble():
            have, exact = self._matching(collection, where)
            if not have or not exact:
                return []
            request = ScrollRequest(limit=limit, filter=native_filter(exact), with_payload=True, with_vector=False)
            page, _ = have.shard.scroll(request)
            return [{**plain_payload(record.payload), "id": str(record.id)} for record in page]

    def set_payload(self, collection: str, payload: dict[str, Any], where: Filter, key: str | None = None) -> None:
        """Write these payload fields, or these of the object under `key`, on every matching point; others stay."""
        with self._lock, engine_trouble():
            have, exact = self._matching(collection, where)
            if have and exact and payload:
                change = UpdateOperation.set_payload_by_filter(native_filter(exact), native_payload(payload), key)
                have.shard.update(change)
                self._note(1)

    def delete(self, collection: str, where: Filter) -> None:
        """Remove every matching point.

        Raises:
            ValueError: the filter is empty.
        """
        with self._lock, engine_trouble():
            have, exact = self._matching(collection, bounded(where))
            if have and exact:
                meant = native_filter(exact)
                dead = _count(have.shard, meant)
                have.shard.update(UpdateOperation.delete_points_by_filter(meant))
                self._note(dead)

    def search(self, collection: str, query: Query) -> list[Hit]:
        """The best `query.limit` points, best first; empty for a collection that is not there.

        Raises:
            ValueError: the query does not bring the vector its mode needs.
            SpaceMismatch: its dense vector has another length than the collection's.
        """
        query_fits(query)
        with self._lock, engine_trouble():
            have, exact = self._matching(collection, query.where)
            if not have or not exact:
                return []
            length_fits(collection, query.dense, have.space.dim)
            request = native_query(query, exact)
            found = have.shard.query(request) if request else []
            return [Hit(str(point.id), point.score, plain_payload(point.payload)) for point in found]

    def maintain(self) -> None:
        """Write everything out and give deleted points' room back.

        It is called by itself after every 5,000 changed points. Rewriting a collection of which a fifth is dead takes
        about 20 ms per 1,000 points, and the whole process waits.
        """
        if not self._changed:
            return
        with self._lock, engine_trouble():
            self._changed = 0
            for shard in self._folder.opened():
                shard.optimize()
                shard.flush()

    def close(self) -> None:
        """Flush, release everything held and let another process in; a later call opens it again."""
        with self._lock, engine_trouble():
            self._folder.close()

    def _matching(self, collection: str, where: Filter) -> tuple[Collection | None, Filter | None]:
        """The collection, and the filter with exact sources; None for what is not there."""
        have = self._folder.get(collection_name(collection))
        return have, resolved(where, lambda rest: _sources(have.shard, rest)) if have else None

    def _note(self, changed: int) -> None:
        self._changed += changed
        if self._changed >= MAINTAIN_EVERY:
            self.maintain()


def _count(shard: EdgeShard, where: EdgeFilter) -> int:
    return shard.count(CountRequest(exact=True, filter=where))


def _sources(shard: EdgeShard, where: Filter) -> list[str]:
    request = FacetRequest("source", limit=MOST_SOURCES, exact=True, filter=native_filter(where))
    return [str(hit.value) for hit in shard.facet(request)]


def _ids(shard: EdgeShard, where: EdgeFilter) -> list[str]:
    found: list[str] = []
    offset = None
    while True:
        request = ScrollRequest(offset=offset, limit=PAGE, filter=where, with_payload=False, with_vector=False)
        page, offset = shard.scroll(request)
        found.extend(str(record.id) for record in page)
        if offset is None:
            return found
