"""Compare one point with what the catalog, the cache and the kept text say. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from embeddings.base import Fingerprint
from extractors.document import Document
from pipeline.catalog.documents.live_points import LiveVersion
from pipeline.stages.chunking import chunk_id
from pipeline.vectorstore.base import Point, SparseVector
from pipeline.vectorstore.payload import time_of

__all__ = [
    "has_its_text",
    "is_text_of",
    "payload_kind",
    "searched_text",
    "sparse_differs",
    "vector_differs",
    "vector_kind",
]

LABELS = ("source", "title", "tags")
LEAST_COSINE = 0.999
LEAST_SHARE = 0.5
"""Share of terms that a point must have in common with its text: words may be weighed, but not be those of another."""


def payload_kind(point: Point, version: LiveVersion, fingerprint: str) -> str | None:
    """The kind of drift in the payload of a point of a live version; None if there is none."""
    payload = point.payload
    if payload.get("fingerprint") != fingerprint:
        return "wrong_space"
    if not has_its_text(point):
        return "text"
    expected = dict(_expected(version))
    # Points that were made before documents had tags have no such field.
    differs = any((payload.get(name) or None) != (value or None) for name, value in expected.items())
    return "payload" if differs or not _is_mirrored(payload, version.is_labelled) else None


def vector_kind(point: Point, fingerprint: Fingerprint) -> str | None:
    """The kind of drift in the dense vector of a point, looked at alone; None if it can be one."""
    if len(point.dense) != fingerprint.dim:
        return "wrong_space"
    length = math.sqrt(sum(number * number for number in point.dense))
    return None if math.isfinite(length) and length > 0 else "vector"


def vector_differs(dense: Sequence[float], cached: Any) -> bool:
    """Whether the vector of a point is another one than that in the cache, (dim,) float32."""
    stored = np.asarray(dense, dtype=np.float64)
    other = np.asarray(cached, dtype=np.float64)
    scale = float(np.linalg.norm(stored) * np.linalg.norm(other))
    return stored.shape != other.shape or not scale > 0 or float(stored @ other) / scale < LEAST_COSINE


def sparse_differs(stored: SparseVector, expected: SparseVector) -> bool:
    """Whether the terms of a point are not those of its text."""
    have, want = set(stored.indices), set(expected.indices)
    return bool(have ^ want) and len(have & want) < LEAST_SHARE * len(have | want)


def searched_text(payload: dict[str, Any]) -> str:
    """The text that was embedded: that of `Chunk.searched_text`."""
    text, prefix = str(payload.get("text", "")), payload.get("prefix") or ""
    return f"{prefix}\n{text}" if prefix else text


def has_its_text(point: Point) -> bool:
    """Whether the id of a point, which is derived from its version, its order and its text, is that of these."""
    order, text = point.payload.get("order"), point.payload.get("text")
    version_id = str(point.payload.get("version_id"))
    return isinstance(order, int) and isinstance(text, str) and chunk_id(version_id, order, text) == point.id


def is_text_of(point: Point, document: Document) -> bool:
    """Whether the text of a point is where it says in the kept text of its document."""
    payload = point.payload
    start, end = payload.get("char_start"), payload.get("char_end")
    return isinstance(start, int) and isinstance(end, int) and document.text[start:end] == payload.get("text")


def _expected(version: LiveVersion) -> Iterator[tuple[str, Any]]:
    yield from (("document_id", version.document_id), ("version_id", version.version_id), ("live", True))
    yield from (("content_sha256", version.content_sha256), ("media_type", version.media_type))
    yield "modified_at", time_of(version.modified_at)
    if version.is_labelled:
        yield from (("source", version.source), ("tags", list(version.tags)))
        if version.title is not None:
            yield "title", version.title


def _is_mirrored(payload: dict[str, Any], is_labelled: bool) -> bool:
    """Whether `metadata`, which repeats fields for LangChain, repeats them."""
    metadata = payload.get("metadata")
    if not isinstance(metadata, dict):
        return False
    names = metadata.keys() - (() if is_labelled else LABELS)
    return all(metadata[name] == payload.get(name) for name in names)
