"""Vectors as arrays: normalisation and order, the same for every embedder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Vectors", "in_order", "normalize"]

Vectors = NDArray[np.float32]


def normalize(raw: ArrayLike, dim: int) -> Vectors:
    """Return (n, dim) float32 rows of length 1; a row of zeros stays one."""
    rows = np.asarray(raw, dtype=np.float32).reshape(-1, dim)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)


def in_order(groups: Sequence[Sequence[int]], parts: Sequence[Vectors], dim: int) -> Vectors:
    """Put the vectors of batches back at their indices: (n, dim) float32."""
    result = np.empty((sum(map(len, groups)), dim), dtype=np.float32)
    for indices, part in zip(groups, parts, strict=True):
        result[list(indices)] = part
    return result
