"""The vector store: one contract, Qdrant Edge in this process or a Qdrant server.

Importing this package loads neither engine; `open_store` loads the one it opens.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.types import Mode
from pipeline.vectorstore.base import Filter, Hit, Point, Query, SparseVector, VectorStore

__all__ = ["Filter", "Hit", "Mode", "Point", "Query", "SparseVector", "VectorStore", "open_store"]


def open_store(
    path: Path | None = None, *, url: str | None = None, api_key: str | None = None, timeout_s: float = 30.0
) -> VectorStore:
    """The store on the server at `url` or, without one, the embedded store in the folder `path`.

    Nothing is opened, locked or sent before the first call.

    Args:
        path: the embedded store's folder; not touched if `url` is given.
        url: a Qdrant server, 1.16 or newer, as in `http://127.0.0.1:6333`.
        api_key: the server's key.
        timeout_s: seconds that one request to the server may take.

    Raises:
        ValueError: neither `path` nor `url` is given.
    """
    if url:
        from pipeline.vectorstore.qdrant import open_qdrant

        return open_qdrant(url, api_key, timeout_s)
    if path is None:
        raise ValueError("a vector store needs a path or a url")
    from pipeline.vectorstore.edge import EdgeStore

    return EdgeStore(path)
