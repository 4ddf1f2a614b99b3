"""BM25 term weights, for both stores.

How texts become terms is the analyser's: each index keeps the one that it was made with, and its number is in the
specification of the index.

    1    words as Qdrant's own encoder divides them; stems of English and German
    2    `pipeline.vectorstore.analysis`: stems of 18 languages, parts of German compounds, pairs of characters for
         Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese, identifiers as a whole and by their parts

Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009. The inverse document
frequency is applied by the engine at search time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import blake2b

from pipeline.names import ANALYSER
from pipeline.vectorstore import analyser_1
from pipeline.vectorstore.analysis import passages, queries
from pipeline.vectorstore.analysis.word_cache import WordCache
from pipeline.vectorstore.base import SparseVector

__all__ = ["encode_passages", "encode_query"]

AVERAGE_WORDS = 100.0
"""Words of an average chunk without stop words."""

K, B = 1.2, 0.75

CACHED_TERMS = 200_000


def encode_passages(texts: Sequence[str], analyser: int = ANALYSER) -> list[SparseVector]:
    """Weigh the words of passages.

    Args:
        texts: the passages.
        analyser: that of the index that they are stored in.

    Returns:
        One vector per text, in input order, indices ascending; an empty one for a text without words.
    """
    if analyser == 1:
        return analyser_1.encode_passages(texts)
    return [_passage(text) for text in texts]


def encode_query(text: str, analyser: int = ANALYSER) -> SparseVector:
    """Weigh the words of a question.

    Args:
        text: the question.
        analyser: that of the index that is searched.

    Returns:
        A vector, indices ascending; with analyser 1 an empty one for a question that has only stop words.
    """
    if analyser == 1:
        return analyser_1.encode_query(text)
    weights = {_hash(term): weight for term, weight in queries.terms(text).items()}
    indices = sorted(weights)
    return SparseVector(indices, [weights[index] for index in indices])


def _passage(text: str) -> SparseVector:
    frequencies, length = passages.terms(text)
    saturation = K * (1 - B + B * length / AVERAGE_WORDS)
    # Of two terms with the same hash one is kept: one pair in four thousand million.
    by_hash = dict(zip(map(_hashes().__getitem__, frequencies), frequencies.values(), strict=True))
    indices = sorted(by_hash)
    return SparseVector(indices, [n * (K + 1) / (n + saturation) for n in map(by_hash.__getitem__, indices)])


@cache
def _hashes() -> Mapping[str, int]:
    """The hashes of terms; those that a process has met before are kept."""
    return WordCache(_hash, CACHED_TERMS).rows(())


def _hash(term: str, _: tuple[str, ...] = ()) -> int:
    return int.from_bytes(blake2b(term.encode(), digest_size=4).digest(), "big")
