"""The answer to a question: hits of all collections that are asked, best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Unpack

from pipeline.results import Hit, SearchResult
from pipeline.search.candidates import Candidate, find_candidates
from pipeline.search.completeness import missing_points
from pipeline.search.groups import by_document
from pipeline.search.highlights import highlighted
from pipeline.search.request import Question, SearchOptions, find_indexes
from pipeline.search.reranking import is_reranked, reranked
from pipeline.search.vectors import QuestionVectors
from pipeline.services import Services
from pipeline.types import Mode
from pipeline.vectorstore.base import Filter

__all__ = ["answer", "search"]

MOST_FETCHED = 5000
"""Passages that are looked at for a number of documents, at most."""


def search(
    services: Services,
    question: str,
    collection: str | Sequence[str],
    limit: int = 10,
    mode: Mode = "hybrid",
    where: Filter | None = None,
    **options: Unpack[SearchOptions],
) -> SearchResult:
    """Search one or more collections.

    Raises:
        BadRequest: an empty question, a wrong limit, score or tag, or a type that no format has.
        SpaceMismatch: a collection was made with another model than the configured one, or than the others.
        StackUnavailable: no process answers.
        RerankerUnavailable: the reranker that is set up is not there.
    """
    names = (collection,) if isinstance(collection, str) else tuple(dict.fromkeys(collection))
    return answer(services, Question(question, names, limit, mode, where or Filter(), **options))


def answer(services: Services, asked: Question) -> SearchResult:
    """Answer a question; raises what `search` raises. Without an index to ask no stack is needed."""
    reads = is_reranked(services, asked)
    vectors = QuestionVectors(services, asked.text)
    candidates, warnings = _candidates(services, asked, vectors, asked.reranked_passages if reads else asked.limit)
    if reads:
        candidates = reranked(services, asked, candidates)
    hits = _hits(asked, candidates)
    searched = find_indexes(services, asked)
    analysers = {name: index.spec.analyser for name, index in searched.items()}
    return SearchResult(
        query=asked.text,
        mode=asked.mode,
        collection=asked.collections[0],
        collections=list(asked.collections),
        warnings=[*vectors.warnings, *warnings, *missing_points(services, searched, hits)],
        reranked=reads,
        hits=[highlighted(hit, asked.text, analysers) for hit in hits],
    )


def _candidates(
    services: Services, asked: Question, vectors: QuestionVectors, wanted: int
) -> tuple[list[Candidate], list[str]]:
    """Find enough candidates for the hits that are wanted, and say where they are not enough."""
    candidates: list[Candidate] = []
    for fetched in _depths(wanted, grouped=asked.group is not None):
        candidates = find_candidates(services, asked, vectors, fetched)
        documents = {candidate.hit.document_id for candidate in candidates}
        if not asked.group or len(documents) >= asked.limit or len(candidates) < fetched:
            return candidates, []
    return candidates, [f"Only the best {MOST_FETCHED:,} passages were put together by document."]


def _depths(wanted: int, *, grouped: bool) -> Iterator[int]:
    """How many passages are fetched, until there are enough: documents may have many passages each."""
    fetched = wanted
    while grouped and fetched < MOST_FETCHED:
        fetched = min(fetched * 4, MOST_FETCHED)
        yield fetched
    if not grouped:
        yield fetched


def _hits(asked: Question, candidates: Sequence[Candidate]) -> list[Hit]:
    found = [candidate.hit for candidate in candidates]
    best = (by_document(found) if asked.group else found)[: asked.limit]
    return [hit for hit in best if asked.min_score is None or hit.score >= asked.min_score]
