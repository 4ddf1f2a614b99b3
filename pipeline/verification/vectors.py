"""Look at the vectors of points: of the right space, of the words of their text, and those in the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.catalog.index import vector_cache
from pipeline.catalog.index.indexes import Index
from pipeline.services import Services
from pipeline.stages.chunking import text_hash
from pipeline.vectorstore.base import Point
from pipeline.vectorstore.sparse import encode_passages
from pipeline.verification.point_checks import has_its_text, searched_text, sparse_differs, vector_differs, vector_kind

__all__ = ["WrongVector", "check_vectors"]


class WrongVector(NamedTuple):
    """A point with a wrong vector: `sparse`, `vector` or `wrong_space`. `text_hash` is that of its text."""

    point: Point
    kind: str
    text_hash: str


def check_vectors(services: Services, index: Index, points: Sequence[Point]) -> Iterator[WrongVector]:
    """Yield every wrong vector of points that were read with their vectors.

    Points that do not have the text that they were made of are left out: their text is wrong, not their vectors.
    """
    points = [point for point in points if has_its_text(point)]
    texts = [searched_text(point.payload) for point in points]
    space, hashes = index.fingerprint, [text_hash(text) for text in texts]
    cached = {}
    with vector_cache.ignore_if_unusable(), services.cache.connect() as connection:
        cached = vector_cache.lookup(connection, space.id, hashes, space.dim) if hashes else {}
    terms = encode_passages(texts, index.spec.analyser)
    for point, name, expected in zip(points, hashes, terms, strict=True):
        kind = vector_kind(point, space)
        if kind is None and name in cached and vector_differs(point.dense, cached[name]):
            kind = "vector"
        if kind is not None:
            yield WrongVector(point, kind, name)
        if sparse_differs(point.sparse, expected):
            yield WrongVector(point, "sparse", name)
