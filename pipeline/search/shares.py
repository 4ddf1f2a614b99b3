"""How much the vectors count beside the words of a question, and which cosine is none."""

from __future__ import annotations

from dataclasses import replace

from embeddings.known_models import ENGLISH, LEAST_COSINE, find
from pipeline.vectorstore.analysis.folding import plain
from pipeline.vectorstore.analysis.languages import is_foreign
from pipeline.vectorstore.analysis.words import split
from pipeline.vectorstore.base import Query
from pipeline.vectorstore.fusion import DENSE_SHARE

__all__ = ["FOREIGN_SHARE", "dense_share", "least_cosine", "weighted"]

FOREIGN_SHARE = 0.1
"""The share of a model that knows English alone, for a question in another language: it still tells names apart."""


def weighted(query: Query, question: str, model: str) -> Query:
    """A query with the share and the least cosine that a question has with a model."""
    return replace(query, dense_share=dense_share(question, model), least_cosine=least_cosine(model))


def dense_share(question: str, model: str) -> float:
    """The part of a hybrid score that is the dense one.

    Args:
        question: as it was asked.
        model: the name of the index's model.
    """
    known = find(model)
    is_english = known is not None and known.name in ENGLISH
    return FOREIGN_SHARE if is_english and is_foreign(split(plain(question))) else DENSE_SHARE


def least_cosine(model: str) -> float:
    """The cosine of a model that scores 0."""
    known = find(model)
    return LEAST_COSINE.get(known.name, 0.0) if known is not None else 0.0
