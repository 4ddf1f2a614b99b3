"""The vector store in this process: the engine Qdrant Edge, without a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import UUID

from qdrant_edge import (
    CountRequest,
    EdgeShard,
    FacetRequest,
    QueryBatchRequest,
    ScoredPoint,
    ScrollRequest,
    UpdateOperation,
)
from qdrant_edge import Filter as EdgeFilter

from embeddings.base import Fingerprint
from pipeline.errors import StoreDamaged
from pipeline.vectorstore.base import Filter, Hit, Point, Query
from pipeline.vectorstore.checks import (
    check_bounded,
    check_length,
    check_name,
    check_points,
    check_query,
    check_space,
    missing_collection,
)
from pipeline.vectorstore.conditions import MAX_SOURCES, resolve_sources
from pipeline.vectorstore.edge_convert import (
    native_filter,
    native_payload,
    native_point,
    native_queries,
    plain_payload,
    plain_point,
)
from pipeline.vectorstore.edge_shards import Collection, ShardFolder, translate_engine_errors
from pipeline.vectorstore.fusion import rank

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
        with self._lock, translate_engine_errors():
            opened = self._folder.get(check_name(collection))
            if opened is None:
                self._folder.create(collection, fingerprint)
            else:
                check_space(collection, opened.space, fingerprint)

    def collections(self) -> dict[str, Fingerprint]:
        """Return every collection with the space of its vectors."""
        with self._lock, translate_engine_errors():
            opened = {name: self._folder.get(name) for name in self._folder.names()}
            return {name: collection.space for name, collection in opened.items() if collection}

    def drop(self, collection: str) -> None:
        """Remove the collection, if it exists."""
        with self._lock, translate_engine_errors():
            self._folder.drop(check_name(collection))

    def aliases(self) -> dict[str, str]:
        """Return every alias with the collection that it stands for."""
        with self._lock, translate_engine_errors():
            return self._folder.aliases()

    def set_alias(self, alias: str, collection: str) -> None:
        """Set another name of a collection, in one step.

        Raises:
            BadRequest: there is no such collection.
        """
        with self._lock, translate_engine_errors():
            if self._folder.get(check_name(collection)) is None:
                raise missing_collection(collection)
            self._folder.set_alias(check_name(alias), collection)

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Store the points durably; equal ids are overwritten.

        Raises:
            BadRequest: the collection was never created, or a vector holds NaN or infinity.
            SpaceMismatch: a vector of another length.
        """
        with self._lock, translate_engine_errors():
            opened = self._folder.get(check_name(collection))
            if opened is None:
                raise missing_collection(collection)
            check_points(collection, points, opened.space.dim)
            if points:
                opened.shard.update(UpdateOperation.upsert_points([native_point(point) for point in points]))
                self._count_changes(len(points))

    def count(self, collection: str, where: Filter) -> int:
        """Count the points that match, exactly; 0 if the collection does not exist."""
        with self._lock, translate_engine_errors():
            opened, exact = self._matching(collection, where)
            return _count(opened.shard, native_filter(exact)) if opened and exact else 0

    def ids(self, collection: str, where: Filter) -> list[str]:
        """Return the ids of all matching points, in no order."""
        with self._lock, translate_engine_errors():
            opened, exact = self._matching(collection, where)
            return _ids(opened.shard, native_filter(exact)) if opened and exact else []

    def read(self, collection: str, where: Filter, limit: int) -> list[dict[str, Any]]:
        """Return payloads of up to `limit` matching points, each with its point's `id`, in no order."""
        with self._lock, translate_engine_errors():
            opened, exact = self._matching(collection, where)
            if not opened or not exact:
                return []
            request = ScrollRequest(limit=limit, filter=native_filter(exact), with_payload=True, with_vector=False)
            page, _ = opened.shard.scroll(request)
            return [{**plain_payload(record.payload), "id": str(record.id)} for record in page]

    def scroll(
        self, collection: str, where: Filter, limit: int, after: str | None = None, *, vectors: bool = True
    ) -> tuple[list[Point], str | None]:
        """Return a page of the matching points with their vectors, and what to ask for the next page with."""
        with self._lock, translate_engine_errors():
            opened, exact = self._matching(collection, where)
            if not opened or not exact:
                return [], None
            offset = UUID(after) if after else None
            request = ScrollRequest(offset, limit, native_filter(exact), with_payload=True, with_vector=vectors)
            page, following = opened.shard.scroll(request)
            return [plain_point(record) for record in page], str(following) if following is not None else None

    def set_aside(self, collection: str) -> str | None:
        """Move a collection that cannot be read out of the way; returns the folder in which it is kept now."""
        with self._lock, translate_engine_errors():
            try:
                self._read_all(check_name(collection))
            except StoreDamaged:
                return str(self._folder.set_aside(collection))
        return None

    def set_payload(self, collection: str, payload: dict[str, Any], where: Filter, key: str | None = None) -> None:
        """Set these payload fields, or these fields of the object under `key`, on every matching point; others stay."""
        with self._lock, translate_engine_errors():
            opened, exact = self._matching(collection, where)
            if opened and exact and payload:
                change = UpdateOperation.set_payload_by_filter(native_filter(exact), native_payload(payload), key)
                opened.shard.update(change)
                self._count_changes(1)

    def delete(self, collection: str, where: Filter) -> None:
        """Remove every matching point.

        Raises:
            ValueError: the filter is empty.
        """
        with self._lock, translate_engine_errors():
            opened, exact = self._matching(collection, check_bounded(where))
            if opened and exact:
                condition = native_filter(exact)
                deleted = _count(opened.shard, condition)
                opened.shard.update(UpdateOperation.delete_points_by_filter(condition))
                self._count_changes(deleted)

    def search(self, collection: str, query: Query) -> list[Hit]:
        """Return the best `query.limit` points, best first; none if the collection does not exist.

        Raises:
            ValueError: the query does not bring the vector its mode needs.
            SpaceMismatch: its dense vector has another length than the collection's.
        """
        check_query(query)
        with self._lock, translate_engine_errors():
            opened, exact = self._matching(collection, query.where)
            if not opened or not exact:
                return []
            check_length(collection, query.dense, opened.space.dim)
            requests = native_queries(query, exact)
            answers = opened.shard.query_batch(QueryBatchRequest([*requests.values()])) if requests else []
            rankings = {ranking: _numbered(points) for ranking, points in zip(requests, answers, strict=True)}
            return _hits(opened.shard, rank(query.mode, rankings, query.limit, query.dense_share, query.least_cosine))

    def maintain(self) -> None:
        """Flush to the disk, and free the space of deleted points.

        It also runs after every 5,000 changed points. Rewriting a collection of which a fifth is dead takes
        about 20 ms per 1,000 points, and the whole process waits.
        """
        if not self._changed:
            return
        with self._lock, translate_engine_errors():
            self._changed = 0
            for shard in self._folder.opened():
                shard.optimize()
                shard.flush()

    def close(self) -> None:
        """Flush, release everything held and let another process in; a later call opens it again."""
        with self._lock, translate_engine_errors():
            self._folder.close()

    def _matching(self, collection: str, where: Filter) -> tuple[Collection | None, Filter | None]:
        """Find the collection, and make the sources of the filter exact. None for what does not exist."""
        opened = self._folder.get(check_name(collection))
        return opened, resolve_sources(where, lambda rest: _sources(opened.shard, rest)) if opened else None

    def _read_all(self, collection: str) -> None:
        """Read every point of a collection, and one of its indexes. Raises StoreDamaged: one cannot be read."""
        self.count(collection, Filter(live=True))
        after: str | None = None
        while True:
            _, after = self.scroll(collection, Filter(), PAGE, after)
            if after is None:
                return

    def _count_changes(self, changed: int) -> None:
        self._changed += changed
        if self._changed >= MAINTAIN_EVERY:
            self.maintain()


def _numbered(points: Sequence[ScoredPoint]) -> list[tuple[int, float]]:
    """The integers of the points' UUIDs, which are made sooner than strings, with the scores."""
    return [(name.int, point.score) for point in points if isinstance(name := point.id, UUID)]


def _hits(shard: EdgeShard, ranked: Sequence[tuple[int, float]]) -> list[Hit]:
    scores = {str(UUID(int=point)): score for point, score in ranked}
    records = shard.retrieve([*scores], with_payload=True, with_vector=False) if scores else []
    payloads = {str(record.id): plain_payload(record.payload) for record in records}
    return [Hit(point, score, payloads[point]) for point, score in scores.items()]


def _count(shard: EdgeShard, where: EdgeFilter) -> int:
    return shard.count(CountRequest(exact=True, filter=where))


def _sources(shard: EdgeShard, where: Filter) -> list[str]:
    request = FacetRequest("source", limit=MAX_SOURCES, exact=True, filter=native_filter(where))
    return [str(hit.value) for hit in shard.facet(request)]


def _ids(shard: EdgeShard, where: EdgeFilter) -> list[str]:
    ids: list[str] = []
    offset = None
    while True:
        request = ScrollRequest(offset=offset, limit=PAGE, filter=where, with_payload=False, with_vector=False)
        page, offset = shard.scroll(request)
        ids.extend(str(record.id) for record in page)
        if offset is None:
            return ids
