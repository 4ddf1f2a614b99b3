"""How much the vectors count beside the words of a question."""

from __future__ import annotations

from embeddings.known_models import ENGLISH, find
from pipeline.vectorstore.analysis.folding import plain
from pipeline.vectorstore.analysis.languages import is_foreign
from pipeline.vectorstore.analysis.words import split
from pipeline.vectorstore.fusion import DENSE_SHARE

__all__ = ["FOREIGN_SHARE", "dense_share"]

FOREIGN_SHARE = 0.1
"""The share of a model that knows English alone, for a question in another language: it still tells names apart."""


def dense_share(question: str, model: str) -> float:
    """The part of a hybrid score that is the dense one.

    Args:
        question: as it was asked.
        model: the name of the index's model.
    """
    known = find(model)
    is_english = known is not None and known.name in ENGLISH
    return FOREIGN_SHARE if is_english and is_foreign(split(plain(question))) else DENSE_SHARE
