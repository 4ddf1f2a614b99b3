"""The vectors of a question, by the model of each index that answers; each model is asked once."""

from __future__ import annotations

from dataclasses import dataclass, field

from embeddings.base import Fingerprint
from pipeline import rpc
from pipeline.catalog.index.indexes import Index
from pipeline.services import Services

__all__ = ["QuestionVectors"]

FIRST_ANSWER_S = 120.0
"""Longest wait for the question's vector: a worker that has just started still loads the model."""


@dataclass(slots=True)
class QuestionVectors:
    """The vectors of one question. Raises StackUnavailable if no process answers that has the model."""

    services: Services
    text: str
    known: dict[Fingerprint, list[float]] = field(default_factory=dict)

    def of(self, index: Index) -> list[float]:
        """The vector of the question in the space of an index."""
        if index.fingerprint not in self.known:
            asked = {"text": self.text, "index": index.name}
            vector = rpc.call(self.services.redis, "embed", "embed_query", asked, FIRST_ANSWER_S)
            self.known[index.fingerprint] = [float(value) for value in vector]
        return self.known[index.fingerprint]
