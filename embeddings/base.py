"""The contracts of embedders and tokenizers, and the fingerprint of a vector space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from embeddings.vectors import Vectors

__all__ = ["Device", "Embedder", "Fingerprint", "Precision", "Reranker", "Tokenizer"]

Precision = Literal["auto", "fp32", "bf16"]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Names a vector space: two vectors may be compared only if their fingerprints are equal.

    `precision` is a class, not a type: fp32 and bf16 share `float` (cosine to each other ≥ .996),
    an int8 model is a space of its own.
    """

    model: str
    revision: str
    precision: str
    pooling: str
    normalized: bool
    passage_prefix: str
    query_prefix: str
    dim: int

    @property
    def id(self) -> str:
        """A short stable name: 16 hexadecimal digits of the SHA-256 of all fields."""
        return sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:16]


class Tokenizer(Protocol):
    """A model's own tokenizer, loaded without the model."""

    @property
    def special_tokens(self) -> int:
        """How many tokens the model adds to every text (2 for BERT: [CLS] and [SEP])."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, nothing cut."""

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span of each token of `text` in order, special tokens left out."""


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors of one space."""

    @property
    def fingerprint(self) -> Fingerprint:
        """The space the vectors live in."""

    @property
    def max_tokens(self) -> int:
        """Longest text the model reads, special tokens included."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed passages.

        Returns:
            (n, dim) float32, L2-normalised, input order; (0, dim) for no texts.
        """

    def embed_query(self, text: str) -> Vectors:
        """Embed a question: (dim,) float32, L2-normalised."""


class Reranker(Protocol):
    """Says how well passages answer a question, by reading both together."""

    def score(self, question: str, texts: Sequence[str]) -> Vectors:
        """Score passages.

        Returns:
            (n,) float32 from 0 to 1, input order, more is better; (0,) for no texts.
        """
