"""Analyser 1: BM25 term weights by the encoder of Qdrant Edge. Indexes made before analyser 2 keep it.

English and German are distinguished by their stop words, and a passage is stemmed in its own language (anything else
as English). A query has its words in both stems: stems of the other language hardly occur in the collection, so
they do no harm, and one query searches both. Case, accents and ligatures do not matter.

Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009. The inverse document
frequency is applied by the engine at search time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from unicodedata import normalize

from qdrant_edge import Bm25, Bm25Config, DisabledStemmer, Language, SnowballLanguage, SnowballParams

from pipeline.vectorstore.base import SparseVector

__all__ = ["encode_passages", "encode_query"]

LANGUAGES = ("English", "German")
"""The first one is used for any other language."""

AVERAGE_WORDS = 100.0
"""Words of an average chunk without stop words. nDCG@10 on Cranfield and MED: .367 and .715; with the encoder's
own 256, meant for whole pages, .348 and .708."""

SOFT_HYPHEN = "\u00ad"


def encode_passages(texts: Sequence[str]) -> list[SparseVector]:
    """Weigh the words of passages.

    Returns:
        One vector per text, in input order, indices ascending; an empty one for a text without words that count.
    """
    return [_passage(_plain(text)) for text in texts]


def encode_query(text: str) -> SparseVector:
    """Weigh the words of a question: 1.0 for each distinct stem; empty if it has only stop words."""
    plain = _plain(text)
    stop_words = _language(plain)
    vectors = (_encoder(stemmer, stop_words).embed_query(plain) for stemmer in LANGUAGES)
    indices = sorted({index for vector in vectors for index in vector.indices})
    return SparseVector(indices, [1.0] * len(indices))


def _passage(plain: str) -> SparseVector:
    language = _language(plain)
    vector = _encoder(language, language).embed_document(plain)
    pairs = sorted(zip(vector.indices, vector.values, strict=True))
    return SparseVector([index for index, _ in pairs], [value for _, value in pairs])


def _plain(text: str) -> str:
    """Normalise ligatures, combining marks and soft hyphens; replace lone surrogates, which cannot be encoded."""
    return normalize("NFKC", text).replace(SOFT_HYPHEN, "").encode("utf-8", "replace").decode("utf-8")


def _language(plain: str) -> str:
    """The language with the most distinct stop words in the text: it leaves the fewest words."""
    return min(LANGUAGES, key=lambda language: len(_encoder(None, language).embed_query(plain).indices))


@cache
def _encoder(stemmer: str | None, stop_words: str) -> Bm25:
    stem = SnowballParams(getattr(SnowballLanguage, stemmer)) if stemmer else DisabledStemmer()
    words = getattr(Language, stop_words)
    return Bm25(Bm25Config(avg_len=AVERAGE_WORDS, stopwords=words, stemmer=stem, lowercase=True, ascii_folding=True))
