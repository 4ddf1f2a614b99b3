"""The passages that come into question: the best of all collections that are asked, by every part of the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.catalog.index.indexes import Index
from pipeline.results import Hit
from pipeline.search.request import Question, find_indexes
from pipeline.search.retrieval import ROUNDS, search_vectors
from pipeline.search.shares import weighted
from pipeline.search.vectors import Part, QuestionVectors
from pipeline.services import Services
from pipeline.vectorstore.base import Query
from pipeline.vectorstore.sparse import encode_query

__all__ = ["Candidate", "find_candidates", "ranked"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that comes into question: `asked` is the part of the question that gave it its score."""

    hit: Hit
    asked: str


def find_candidates(services: Services, asked: Question, vectors: QuestionVectors, limit: int) -> list[Candidate]:
    """The best passages of all collections, best first; each once, with its best score."""
    indexes = find_indexes(services, asked)
    return ranked(
        [
            candidate
            for name, index in indexes.items()
            for candidate in _of_collection(services, asked, vectors, limit, index)
        ]
    )[:limit]


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Order candidates by score, best first; each passage stays once, with its best score."""
    best: dict[tuple[str, str], Candidate] = {}
    for candidate in sorted(candidates, key=lambda candidate: -candidate.hit.score):
        best.setdefault((candidate.hit.collection, candidate.hit.chunk_id), candidate)
    return list(best.values())


def _of_collection(
    services: Services, asked: Question, vectors: QuestionVectors, limit: int, index: Index | None
) -> list[Candidate]:
    for _ in range(ROUNDS):
        if index is None:
            break
        found = _of_index(services, asked, vectors, limit, index)
        if found is not None:
            return found
        # A re-index switched the collection to another index meanwhile, whose vectors may be of another model.
        index = find_indexes(services, asked).get(index.collection)
    return []


def _of_index(
    services: Services, asked: Question, vectors: QuestionVectors, limit: int, index: Index
) -> list[Candidate] | None:
    """Candidates of an index; None when the collection is answered from another one meanwhile."""
    found: list[Candidate] = []
    for part in vectors.of(index) if asked.mode != "sparse" else [Part(0, len(asked.text))]:
        text = asked.text[part.start : part.end]
        sparse = encode_query(text, index.spec.analyser) if asked.mode != "dense" else None
        query = Query(asked.mode, limit, part.vector, sparse, asked.condition)
        hits = search_vectors(services, index, weighted(query, text, index.fingerprint.model))
        if hits is None:
            return None
        found += [Candidate(hit, text) for hit in hits]
    return found
