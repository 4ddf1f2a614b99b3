"""The vectors of a question, by the model of each index that answers; each model is asked once.

A model reads so many tokens and no more. A longer question is embedded in parts, each is searched with, and a chunk has
the best score that one of them gives it: so the end of a long question counts as much as its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from embeddings.base import Fingerprint
from pipeline import rpc
from pipeline.catalog.index.indexes import Index
from pipeline.services import Services

__all__ = ["Part", "QuestionVectors", "unused"]

FIRST_ANSWER_S = 120.0
"""Longest wait for the question's vectors: a worker that has just started still loads the model."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a question, from `start` to `end`, and its vector; None where only words are searched for."""

    start: int
    end: int
    vector: list[float] | None = None


@dataclass(slots=True)
class QuestionVectors:
    """The vectors of one question. Raises StackUnavailable if no process answers that has the model."""

    services: Services
    text: str
    known: dict[Fingerprint, list[Part]] = field(default_factory=dict)

    def of(self, index: Index) -> list[Part]:
        """The parts of the question in the space of an index."""
        if index.fingerprint not in self.known:
            asked = {"text": self.text, "index": index.name}
            parts = rpc.call(self.services.redis, "embed", "embed_question", asked, FIRST_ANSWER_S)
            self.known[index.fingerprint] = [Part(part["start"], part["end"], part["vector"]) for part in parts]
        return self.known[index.fingerprint]

    @property
    def warnings(self) -> list[str]:
        """What of the question was not used."""
        warnings = (unused(self.text, parts) for parts in self.known.values())
        return list(dict.fromkeys(filter(None, warnings)))


def unused(text: str, parts: list[Part]) -> str:
    """The sentence that says how much of a question is in no part; "" if all is."""
    ends = [0, *(part.end for part in parts)]
    gaps = (text[end : part.start] for end, part in zip(ends, parts, strict=False))
    words = sum(len(gap.split()) for gap in gaps)
    if not words:
        return ""
    return f"The question has {len(text.split()):,} words; {words:,} of them, before its last part, were not used."
