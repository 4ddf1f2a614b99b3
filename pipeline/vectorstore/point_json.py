"""Points as plain data for JSON: in calls between processes and in the files of a backup."""

from __future__ import annotations

import base64
import struct
from typing import Any

from pipeline.vectorstore.base import Point, SparseVector

__all__ = ["pack_point", "unpack_point"]


def pack_point(point: Point) -> dict[str, Any]:
    """Return a point as plain data; `dense` is the base64 of its numbers as little-endian float32."""
    dense = base64.b64encode(struct.pack(f"<{len(point.dense)}f", *point.dense)).decode()
    sparse = [point.sparse.indices, point.sparse.values]
    return {"id": point.id, "dense": dense, "sparse": sparse, "payload": point.payload}


def unpack_point(data: dict[str, Any]) -> Point:
    """Return the point that `pack_point` was given.

    Raises:
        KeyError, TypeError, ValueError, struct.error: it is no such data.
    """
    dense = base64.b64decode(data["dense"], validate=True)
    indices, values = data["sparse"]
    numbers = list(struct.unpack(f"<{len(dense) // 4}f", dense))
    return Point(data["id"], numbers, SparseVector(indices, values), data["payload"])
