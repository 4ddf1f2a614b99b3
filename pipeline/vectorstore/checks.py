"""Checks before a call reaches an engine: collection names, vectors that cannot be stored, unbounded deletes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite

from embeddings.base import Fingerprint
from pipeline.errors import BadRequest, SpaceMismatch
from pipeline.names import COLLECTION
from pipeline.vectorstore.base import Filter, Point, Query

__all__ = [
    "check_bounded",
    "check_finite",
    "check_length",
    "check_name",
    "check_points",
    "check_query",
    "check_space",
    "missing_collection",
]

NAME = re.compile(COLLECTION.strip("^$") + r"(~[0-9]{1,9})?")
"""A collection as users name it, or one of its indexes, with a number after a tilde."""


def check_name(name: str) -> str:
    """Return `name` if it is valid for a collection: it becomes a folder and a part of a URL.

    Raises:
        BadRequest: it is empty, too long, or holds other characters.
    """
    if not NAME.fullmatch(name):
        raise BadRequest(
            f"{name[:80]!r} cannot name a collection.",
            "Use 1 to 64 letters of A-Z and a-z, digits, '-' and '_'.",
        )
    return name


def missing_collection(name: str) -> BadRequest:
    """Make the error for a write into a collection that does not exist."""
    return BadRequest(f"There is no collection {name!r}.", "Ingest something into it first.")


def check_space(collection: str, have: Fingerprint | None, want: Fingerprint) -> None:
    """Check that a collection holds the wanted space.

    Raises:
        SpaceMismatch: it holds another one, or its space is not recorded.
    """
    if have is None:
        raise SpaceMismatch(
            f"The collection {collection!r} was not made by Docrelay: nothing says what its vectors mean.",
            "Use another collection name.",
        )
    if have != want:
        raise SpaceMismatch(
            f"The collection {collection!r} holds vectors of {have.model} ({have.dim} numbers, space {have.id}), "
            f"not of {want.model} ({want.dim} numbers, space {want.id})."
        )


def check_points(collection: str, points: Sequence[Point], dim: int) -> None:
    """Check every dense vector before the first is written.

    Raises:
        SpaceMismatch: a vector of another length.
        BadRequest: a vector that holds NaN or infinity, which would poison every later ranking.
    """
    for point in points:
        check_length(collection, point.dense, dim)
    check_finite(points)


def check_finite(points: Sequence[Point]) -> None:
    """Check that every dense vector can be ranked.

    Raises:
        BadRequest: one holds NaN or infinity.
    """
    for point in points:
        if not isfinite(sum(point.dense)):
            raise BadRequest(f"The vector of point {point.id} is not made of finite numbers.")


def check_length(collection: str, vector: list[float] | None, dim: int) -> None:
    """Check the length of a dense vector, if there is one.

    Raises:
        SpaceMismatch: it is not the collection's.
    """
    if vector is not None and len(vector) != dim:
        raise SpaceMismatch(
            f"The collection {collection!r} holds vectors of {dim} numbers; this one has {len(vector)}."
        )


def check_query(query: Query) -> None:
    """Check that a query brings what its mode needs.

    Raises:
        ValueError: the mode's vector is not given, or the limit is not positive.
    """
    if query.limit < 1:
        raise ValueError(f"limit must be positive, not {query.limit}")
    if query.mode != "sparse" and query.dense is None:
        raise ValueError(f"the mode {query.mode} needs a dense vector")
    if query.mode != "dense" and query.sparse is None:
        raise ValueError(f"the mode {query.mode} needs a sparse vector")


def check_bounded(where: Filter) -> Filter:
    """Return the filter unless it is empty.

    Raises:
        ValueError: it is empty and would match every point.
    """
    if where == Filter():
        raise ValueError("refusing to delete by an empty filter; use drop() to remove a whole collection")
    return where
