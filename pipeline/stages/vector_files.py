"""Vectors as files in the spool: `embed` writes them, `upsert` reads them."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from embeddings.vectors import Vectors
from pipeline.spool import Spool

__all__ = ["read_vectors", "write_vectors"]


def write_vectors(spool: Spool, key: str, vectors: Vectors) -> None:
    """Write (n, dim) float32 as a .npy file."""
    buffer = BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    spool.write(key, buffer.getvalue())


def read_vectors(spool: Spool, key: str) -> Vectors:
    """Read back what `write_vectors` stored: (n, dim) float32. Raises FileNotFoundError."""
    vectors: Vectors = np.load(BytesIO(spool.read(key)), allow_pickle=False)
    return vectors
