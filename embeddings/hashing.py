"""A deterministic substitute for a model, for tests and dry runs: it knows words, not meanings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from embeddings.base import Fingerprint
from embeddings.sources import Source
from embeddings.vectors import Vectors, normalize

__all__ = ["HashingEmbedder"]

_WORD = re.compile(r"\w{1,64}")
_GRAM = 4
_GRAM_WEIGHT = 0.5


class HashingEmbedder:
    """Feature hashing of words and their character 4-grams; the same numbers on every machine.

    Source: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def fingerprint(self) -> Fingerprint:
        """The space the vectors live in."""
        return self._source.fingerprint

    @property
    def max_tokens(self) -> int:
        """Longest text that counts as readable; the embedder itself has no limit."""
        return self._source.model.max_tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed passages: (n, dim) float32, L2-normalised, input order; (0, dim) for no texts."""
        dim = self._source.model.dim
        return normalize([_vector(text, dim) for text in texts], dim)

    def embed_query(self, text: str) -> Vectors:
        """Embed a question: (dim,) float32, L2-normalised."""
        return np.asarray(self.embed([text])[0], dtype=np.float32)


def _vector(text: str, dim: int) -> Vectors:
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    vector = np.zeros(dim, dtype=np.float32)
    # A text without a word still gets a direction of its own: a vector of zeros has none.
    for word in words or [f"\0{text}"]:
        places, weights = _features(word, dim)
        np.add.at(vector, places, weights)
    return vector if vector.any() else _vector(f"\0{text}", dim)


@lru_cache(maxsize=65_536)
def _features(word: str, dim: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], Vectors]:
    hashed = [(_hash(feature), weight) for feature, weight in _weighted_features(word)]
    places = np.array([value % dim for value, _ in hashed], dtype=np.intp)
    signs = np.array([weight if value >> 63 else -weight for value, weight in hashed], dtype=np.float32)
    return places, signs


def _weighted_features(word: str) -> Iterator[tuple[str, float]]:
    yield f"word {word}", 1.0
    padded = f"<{word}>"
    for start in range(len(padded) - _GRAM + 1):
        yield f"gram {padded[start : start + _GRAM]}", _GRAM_WEIGHT


def _hash(feature: str) -> int:
    return int.from_bytes(blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
