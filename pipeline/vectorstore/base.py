"""`VectorStore`: the contract of a vector store, and the plain data of its calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from embeddings.base import Fingerprint
from pipeline.types import Mode
from pipeline.vectorstore.fusion import DENSE_SHARE

__all__ = ["Filter", "Hit", "Mode", "Point", "Query", "SparseVector", "VectorStore"]


@dataclass(frozen=True, slots=True)
class SparseVector:
    """BM25 term weights: `indices` are token hashes, the store applies the inverse document frequency."""

    indices: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Point:
    """One chunk as it is stored: `id` is a UUID string, `dense` L2-normalised floats, `payload` JSON."""

    id: str
    dense: list[float]
    sparse: SparseVector
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hit:
    """A point that a search returned; a higher score is a better match."""

    id: str
    score: float
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects points: those that meet all given conditions.

    `sources` are names or globs over the source URI's path as the user wrote it ("*.pdf", "reports/*"); `page`
    is a page that the point is on; times are ISO 8601 in UTC and compare the
    source's modification time; `orders` are the first and the last number of a chunk in its document;
    a point must have at least one of `tags`; `point_ids` are ids of points; `metadata` has for each key a value, or a
    list of values, one of which the document must have under the key. None and empty mean "any".
    """

    document_ids: tuple[str, ...] = ()
    version_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    page: int | None = None
    modified_after: str | None = None
    modified_before: str | None = None
    live: bool | None = None
    orders: tuple[int, int] | None = None
    tags: tuple[str, ...] = ()
    point_ids: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """A search: `dense` is needed by the modes dense and hybrid, `sparse` by sparse and hybrid.

    `exact` compares with every vector, without an approximate index. `dense_share` is the part of a hybrid score that
    is the dense one, from 0 to 1. `least_cosine` is the cosine that scores 0.
    """

    mode: Mode
    limit: int
    dense: list[float] | None = None
    sparse: SparseVector | None = None
    where: Filter = field(default_factory=Filter)
    exact: bool = False
    dense_share: float = DENSE_SHARE
    least_cosine: float = 0.0


class VectorStore(Protocol):
    """Named collections of points with the vectors `dense` and `sparse`."""

    def ensure(self, collection: str, fingerprint: Fingerprint) -> None:
        """Create the collection with its payload indexes, or check that it holds this space.

        Raises:
            SpaceMismatch: the collection's vectors live in another space.
        """

    def collections(self) -> dict[str, Fingerprint]:
        """Every collection and the space of its vectors."""

    def drop(self, collection: str) -> None:
        """Remove the collection, if it exists."""

    def aliases(self) -> dict[str, str]:
        """Every alias and the collection that it stands for."""

    def set_alias(self, alias: str, collection: str) -> None:
        """Set another name of a collection, in one step. Every call accepts it in place of the real name."""

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Store the points durably; equal ids are overwritten."""

    def count(self, collection: str, where: Filter) -> int:
        """Count the points that match, exactly; 0 if the collection does not exist."""

    def ids(self, collection: str, where: Filter) -> list[str]:
        """Return the ids of all matching points, in no order."""

    def read(self, collection: str, where: Filter, limit: int) -> list[dict[str, Any]]:
        """Return payloads of up to `limit` matching points, each with its point's `id`, in no order."""

    def scroll(
        self, collection: str, where: Filter, limit: int, after: str | None = None, *, vectors: bool = True
    ) -> tuple[list[Point], str | None]:
        """Return up to `limit` matching points with their vectors, in the order of their ids.

        Args:
            collection: its points; none if it does not exist.
            where: the points that match.
            limit: points of a page at most.
            after: what the page before returned; None for the first page.
            vectors: whether the vectors are read; a vector that is not, or that a point does not have, is empty.

        Returns:
            The points, and what to ask for the next page with; None after the last one.
        """

    def set_aside(self, collection: str) -> str | None:
        """Move a collection that cannot be read out of the way, so that it can be made anew.

        Returns:
            Where it is kept now; None if it can be read, or is not there: then nothing is done.
        """

    def set_payload(self, collection: str, payload: dict[str, Any], where: Filter, key: str | None = None) -> None:
        """Set these payload fields, or these fields of the object under `key`, on every matching point; others stay."""

    def delete(self, collection: str, where: Filter) -> None:
        """Remove every matching point. An empty filter is refused with ValueError."""

    def search(self, collection: str, query: Query) -> list[Hit]:
        """Return the best `query.limit` points, best first; none if the collection does not exist."""

    def maintain(self) -> None:
        """Flush to the disk, and free the space of deleted points; cheap when nothing has changed."""

    def close(self) -> None:
        """Flush and release all resources."""
