"""Convert Docrelay's data to the types of qdrant-client, and its errors to Docrelay's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qdrant_client import models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from pipeline.errors import BadRequest, PipelineError, SpaceMismatch, StackUnavailable
from pipeline.vectorstore.base import Filter, Point, Query, SparseVector
from pipeline.vectorstore.checks import missing_collection
from pipeline.vectorstore.conditions import AnyOf, Between, Condition, Flag, HasId, Within, conditions
from pipeline.vectorstore.fusion import Ranking, depth

__all__ = [
    "AlreadyThere",
    "NoCollection",
    "native_filter",
    "native_point",
    "native_queries",
    "plain_point",
    "translate_server_errors",
]


class NoCollection(BadRequest):
    """There is no such collection."""


class AlreadyThere(BadRequest):
    """Another process has just made the collection."""


def native_point(point: Point) -> models.PointStruct:
    """Convert a point. An empty sparse vector is left out, so that it does not count in the document frequencies."""
    vectors: dict[str, Any] = {"dense": point.dense}
    if point.sparse.indices:
        vectors["sparse"] = models.SparseVector(indices=point.sparse.indices, values=point.sparse.values)
    return models.PointStruct(id=point.id, vector=vectors, payload=point.payload)


def plain_point(record: models.Record) -> Point:
    """Convert a stored point back; a vector that it does not have is empty."""
    vectors: Any = record.vector if isinstance(record.vector, dict) else {}
    sparse = vectors.get("sparse")
    terms = SparseVector(list(sparse.indices), list(sparse.values)) if sparse is not None else SparseVector([], [])
    return Point(str(record.id), list(vectors.get("dense") or ()), terms, dict(record.payload or {}))


def native_filter(where: Filter) -> models.Filter:
    """Convert a filter whose sources are exact."""
    return models.Filter(must=[_condition(condition) for condition in conditions(where)])


def native_queries(query: Query, where: Filter) -> dict[Ranking, models.QueryRequest]:
    """Convert a query to a search request for each ranking that it needs; none for a question without words."""
    limit = depth(query.limit) if query.mode == "hybrid" else query.limit
    common: dict[str, Any] = {"limit": limit, "filter": native_filter(where)}
    if query.exact:
        common["params"] = models.SearchParams(exact=True)
    requests: dict[Ranking, models.QueryRequest] = {}
    if query.mode != "sparse":
        requests["dense"] = models.QueryRequest(query=query.dense, using="dense", **common)
    if query.mode != "dense" and query.sparse is not None and query.sparse.indices:
        words = models.SparseVector(indices=query.sparse.indices, values=query.sparse.values)
        requests["sparse"] = models.QueryRequest(query=words, using="sparse", **common)
    return requests


@contextmanager
def translate_server_errors(collection: str = "") -> Iterator[None]:
    """Turn errors of the client, and of its local engine, into errors of Docrelay.

    Raises:
        NoCollection: the collection does not exist.
        AlreadyThere: the collection exists, and was to be created.
        SpaceMismatch: a vector of another length.
        StackUnavailable: the server cannot be reached, refuses the key, or cannot do it now.
        BadRequest: the server says that the request is wrong.
    """
    try:
        yield
    except PipelineError:
        raise
    except (ResponseHandlingException, ResourceExhaustedResponse) as error:
        raise StackUnavailable(f"Qdrant does not answer: {error}", "Check `qdrant_url`, and that it runs.") from error
    except UnexpectedResponse as error:
        raise _refused(collection, error.status_code or 0, error.content.decode("utf-8", "replace")) from error
    except ValueError as error:
        raise _refused(collection, 0, str(error)) from error


def _refused(collection: str, status: int, text: str) -> PipelineError:
    if "ollection" in text and ("doesn't exist" in text or "not found" in text):
        gone = missing_collection(collection)
        return NoCollection(gone.message, gone.hint)
    if "already exists" in text:
        return AlreadyThere(f"The collection {collection!r} exists already.")
    # The second message is numpy's, from the client's local engine.
    if "dimension error" in text or "not aligned" in text:
        return SpaceMismatch(f"The collection {collection!r} holds vectors of another length: {text}")
    if status in (401, 403):
        return StackUnavailable("Qdrant refuses the API key.", "Check the setting `qdrant_api_key`.")
    if status == 0 or status in (400, 413, 422):
        return BadRequest(f"Qdrant refuses the request: {text}")
    return StackUnavailable(f"Qdrant answers {status}: {text}")


def _condition(condition: Condition) -> models.FieldCondition | models.HasIdCondition:
    match condition:
        case AnyOf(key, values):
            return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
        case Flag(key, value):
            return models.FieldCondition(key=key, match=models.MatchValue(value=value))
        case HasId(ids):
            return models.HasIdCondition(has_id=list(ids))
        case Within(key, at_least, at_most):
            return models.FieldCondition(key=key, range=models.Range(gte=at_least, lte=at_most))
        case Between(key, since, until):
            bounds = {name: value for name, value in (("gte", since), ("lt", until)) if value is not None}
            return models.FieldCondition(key=key, range=models.DatetimeRange.model_validate(bounds))
