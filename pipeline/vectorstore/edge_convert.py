"""Convert between Docrelay's data and the types of Qdrant Edge."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import qdrant_edge as edge

from pipeline.vectorstore.base import Filter, Point, Query, SparseVector
from pipeline.vectorstore.conditions import AnyOf, Between, Condition, Flag, HasId, Within, conditions
from pipeline.vectorstore.edge_shards import LIVE
from pipeline.vectorstore.fusion import Ranking, depth

__all__ = ["native_filter", "native_payload", "native_point", "native_queries", "plain_payload", "plain_point"]


def native_point(point: Point) -> edge.Point:
    """Convert a point. An empty sparse vector is left out, so that it does not count in the document frequencies."""
    vectors: dict[str, Any] = {"dense": point.dense}
    if point.sparse.indices:
        vectors["sparse"] = edge.SparseVector(point.sparse.indices, point.sparse.values)
    return edge.Point(point.id, vectors, native_payload(point.payload))


def native_payload(payload: dict[str, Any]) -> dict[str, Any]:
    """Convert a payload: an integer field is added for its boolean `live`."""
    return {**payload, LIVE: int(payload["live"])} if "live" in payload else payload


def plain_payload(payload: dict[str, Any] | None) -> dict[str, Any]:
    """Convert a payload back: the integer field is removed."""
    return {key: value for key, value in (payload or {}).items() if key != LIVE}


def plain_point(record: edge.Record) -> Point:
    """Convert a stored point back; a vector that it does not have is empty."""
    vectors: Any = record.vector if isinstance(record.vector, dict) else {}
    sparse = vectors.get("sparse")
    terms = SparseVector(list(sparse.indices), list(sparse.values)) if sparse is not None else SparseVector([], [])
    return Point(str(record.id), list(vectors.get("dense") or ()), terms, plain_payload(record.payload))


def native_filter(where: Filter) -> edge.Filter:
    """Convert a filter whose sources are exact."""
    return edge.Filter(must=[_condition(condition) for condition in conditions(where)])


def native_queries(query: Query, where: Filter) -> dict[Ranking, edge.QueryRequest]:
    """Convert a query to a search request for each ranking that it needs; none for a question without words."""
    exact = native_filter(where)
    limit = depth(query.limit) if query.mode == "hybrid" else query.limit
    params = edge.SearchParams(exact=True) if query.exact else None
    requests: dict[Ranking, edge.QueryRequest] = {}
    if query.mode != "sparse" and query.dense is not None:
        dense = edge.Query.Nearest(query.dense, using="dense")
        requests["dense"] = edge.QueryRequest(limit, query=dense, filter=exact, params=params)
    if query.mode != "dense" and query.sparse is not None and query.sparse.indices:
        words = edge.Query.Nearest(edge.SparseVector(query.sparse.indices, query.sparse.values), using="sparse")
        requests["sparse"] = edge.QueryRequest(limit, query=words, filter=exact)
    return requests


def _condition(condition: Condition) -> edge.FieldCondition | edge.HasIdCondition:
    match condition:
        case AnyOf(key, values):
            return edge.FieldCondition(key, match=edge.MatchAny(list(values)))
        case Flag(_, value):
            return edge.FieldCondition(LIVE, match=edge.MatchValue(int(value)))
        case HasId(ids):
            return edge.HasIdCondition({UUID(name) for name in ids})
        case Within(key, at_least, at_most):
            return edge.FieldCondition(key, range=edge.RangeFloat(gte=at_least, lte=at_most))
        case Between(key, since, until):
            return edge.FieldCondition(key, range=edge.RangeDateTime(gte=since, lt=until))
