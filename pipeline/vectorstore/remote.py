"""`RemoteStore`: the vectors of a data folder have one owner process; other processes call it over Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import redis

from embeddings.base import Fingerprint
from pipeline import rpc
from pipeline.rpc import Methods
from pipeline.vectorstore.base import Filter, Hit, Point, Query, SparseVector, VectorStore
from pipeline.vectorstore.point_json import pack_point, unpack_point

__all__ = ["SUBJECT", "RemoteStore", "methods_of"]

SUBJECT = "store"


class RemoteStore:
    """A `VectorStore` that calls the owner of the vectors. For reads and small changes: tasks upsert the points."""

    def __init__(self, connection: redis.Redis, timeout_s: float = 60.0) -> None:
        self._redis = connection
        self._timeout_s = timeout_s

    def ensure(self, collection: str, fingerprint: Fingerprint) -> None:
        """Create the collection, or check that it holds this space."""
        self._call("ensure", collection=collection, fingerprint=asdict(fingerprint))

    def collections(self) -> dict[str, Fingerprint]:
        """Every collection and the space of its vectors."""
        return {name: Fingerprint(**facts) for name, facts in self._call("collections").items()}

    def drop(self, collection: str) -> None:
        """Remove the collection."""
        self._call("drop", collection=collection)

    def aliases(self) -> dict[str, str]:
        """Every alias and the collection that it stands for."""
        return dict(self._call("aliases"))

    def set_alias(self, alias: str, collection: str) -> None:
        """Set another name of a collection."""
        self._call("set_alias", alias=alias, collection=collection)

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Store the points durably."""
        self._call("upsert", collection=collection, points=[asdict(point) for point in points])

    def count(self, collection: str, where: Filter) -> int:
        """Count the points that match."""
        return int(self._call("count", collection=collection, where=_sent(where)))

    def ids(self, collection: str, where: Filter) -> list[str]:
        """Return the ids of all matching points."""
        return list(self._call("ids", collection=collection, where=_sent(where)))

    def read(self, collection: str, where: Filter, limit: int) -> list[dict[str, Any]]:
        """Return payloads of matching points."""
        return list(self._call("read", collection=collection, where=_sent(where), limit=limit))

    def scroll(
        self, collection: str, where: Filter, limit: int, after: str | None = None, *, vectors: bool = True
    ) -> tuple[list[Point], str | None]:
        """Return a page of the matching points with their vectors, and what to ask for the next page with."""
        # An owner of the version before always reads the vectors.
        less = {} if vectors else {"vectors": False}
        page = self._call("scroll", collection=collection, where=_sent(where), limit=limit, after=after, **less)
        return [unpack_point(point) for point in page["points"]], page["next"]

    def set_aside(self, collection: str) -> str | None:
        """Move a collection that cannot be read out of the way."""
        kept: str | None = self._call("set_aside", collection=collection)
        return kept

    def set_payload(self, collection: str, payload: dict[str, Any], where: Filter, key: str | None = None) -> None:
        """Write these payload fields on every matching point."""
        self._call("set_payload", collection=collection, payload=payload, where=_sent(where), key=key)

    def delete(self, collection: str, where: Filter) -> None:
        """Remove every matching point."""
        self._call("delete", collection=collection, where=_sent(where))

    def search(self, collection: str, query: Query) -> list[Hit]:
        """The best points, best first."""
        sent = {**asdict(query), "where": _sent(query.where)}
        return [Hit(**hit) for hit in self._call("search", collection=collection, query=sent)]

    def maintain(self) -> None:
        """Do nothing: the owner does it."""

    def close(self) -> None:
        """Do nothing: the store has no resources."""

    def _call(self, method: str, **arguments: Any) -> Any:
        return rpc.call(self._redis, SUBJECT, method, arguments, self._timeout_s)


def methods_of(store: VectorStore) -> Methods:
    """Return the remote methods of the owner: the store's methods with JSON-ready arguments and results."""
    return {
        "ensure": lambda collection, fingerprint: store.ensure(collection, Fingerprint(**fingerprint)),
        "collections": lambda: {name: asdict(space) for name, space in store.collections().items()},
        "drop": store.drop,
        "aliases": store.aliases,
        "set_alias": store.set_alias,
        "upsert": lambda collection, points: store.upsert(collection, [_point(point) for point in points]),
        "count": lambda collection, where: store.count(collection, _filter(where)),
        "ids": lambda collection, where: store.ids(collection, _filter(where)),
        "read": lambda collection, where, limit: store.read(collection, _filter(where), limit),
        "scroll": lambda collection, where, limit, after, vectors=True: _page(
            *store.scroll(collection, _filter(where), limit, after, vectors=vectors)
        ),
        "set_aside": store.set_aside,
        "set_payload": lambda collection, payload, where, key: store.set_payload(
            collection, payload, _filter(where), key
        ),
        "delete": lambda collection, where: store.delete(collection, _filter(where)),
        "search": lambda collection, query: [asdict(hit) for hit in store.search(collection, _query(query))],
    }


def _page(points: Sequence[Point], following: str | None) -> dict[str, Any]:
    return {"points": [pack_point(point) for point in points], "next": following}


def _sent(where: Filter) -> dict[str, Any]:
    """The filter as it is sent: what is left out is the default, also in an owner of the version before."""
    return {name: value for name, value in asdict(where).items() if value not in (None, (), {})}


def _filter(data: dict[str, Any]) -> Filter:
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    return Filter(**plain)


def _point(data: dict[str, Any]) -> Point:
    return Point(**{**data, "sparse": SparseVector(**data["sparse"])})


def _query(data: dict[str, Any]) -> Query:
    sparse = SparseVector(**data["sparse"]) if data["sparse"] else None
    return Query(**{**data, "sparse": sparse, "where": _filter(data["where"])})
