"""What a vector store must do, and the plain data it is told and answers with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from embeddings.base import Fingerprint

__all__ = ["Filter", "Hit", "Mode", "Point", "Query", "SparseVector", "VectorStore"]

from pipeline.types import Mode


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
    """One found point; a higher score is nearer."""

    id: str
    score: float
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which points are meant; all given conditions hold together.

    `source` is a glob over the source URI's path as the user wrote it ("*.pdf", "reports/*"); `page`
    is a page number that the point's span includes; times are ISO 8601 in UTC and compare the
    source's modification time; `orders` are the first and the last place of a chunk in its document that are
    meant; of `tags` a point has one at least. None and empty mean "any".
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


@dataclass(frozen=True, slots=True)
class Query:
    """A search: `dense` is needed by the modes dense and hybrid, `sparse` by sparse and hybrid.

    `exact` compares with every vector; what an index that approximates finds is measured against it.
    """

    mode: Mode
    limit: int
    dense: list[float] | None = None
    sparse: SparseVector | None = None
    where: Filter = field(default_factory=Filter)
    exact: bool = False


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
        """Remove the collection; one that is not there is no error."""

    def aliases(self) -> dict[str, str]:
        """Every alias and the collection that it stands for."""

    def set_alias(self, alias: str, collection: str) -> None:
        """Let another name stand for a collection, in one step; every call takes it as well as the real name."""

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Store the points durably; equal ids are overwritten."""

    def count(self, collection: str, where: Filter) -> int:
        """How many points match, exactly; 0 for a collection that is not there."""

    def ids(self, collection: str, where: Filter) -> list[str]:
        """Ids of all matching points, in no order."""

    def read(self, collection: str, where: Filter, limit: int) -> list[dict[str, Any]]:
        """Payloads of at most so many matching points, each with its point's `id`, in no order."""

    def set_payload(self, collection: str, payload: dict[str, Any], where: Filter, key: str | None = None) -> None:
        """Write these payload fields, or these of the object under `key`, on every matching point; others stay."""

    def delete(self, collection: str, where: Filter) -> None:
        """Remove every matching point. An empty filter is refused with ValueError."""

    def search(self, collection: str, query: Query) -> list[Hit]:
        """The best `query.limit` points, best first; empty for a collection that is not there."""

    def maintain(self) -> None:
        """Write everything out and give deleted points' room back; cheap when nothing has changed."""

    def close(self) -> None:
        """Flush and release everything held."""
