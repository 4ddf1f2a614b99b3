"""The answer to a question: hits of all collections that are asked, best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Unpack

from pipeline.catalog.index.indexes import Index
from pipeline.results import Hit, SearchResult
from pipeline.search.groups import by_document
from pipeline.search.highlights import highlighted
from pipeline.search.request import Question, SearchOptions, find_indexes
from pipeline.search.retrieval import ROUNDS, search_vectors
from pipeline.search.vectors import Part, QuestionVectors
from pipeline.services import Services
from pipeline.types import Mode
from pipeline.vectorstore.base import Filter, Query
from pipeline.vectorstore.sparse import encode_query

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
    """
    names = (collection,) if isinstance(collection, str) else tuple(dict.fromkeys(collection))
    return answer(services, Question(question, names, limit, mode, where or Filter(), **options))


def answer(services: Services, asked: Question) -> SearchResult:
    """Answer a question; raises what `search` raises. Without an index to ask no stack is needed."""
    vectors = QuestionVectors(services, asked.text)
    hits: list[Hit] = []
    for fetched in _depths(asked):
        found = _best(services, asked, vectors, fetched)
        hits = by_document(found) if asked.group else found
        if len(hits) >= asked.limit or len(found) < fetched:
            break
    shown = [hit for hit in hits[: asked.limit] if asked.min_score is None or hit.score >= asked.min_score]
    return SearchResult(
        query=asked.text,
        mode=asked.mode,
        collection=asked.collections[0],
        collections=list(asked.collections),
        warnings=vectors.warnings,
        hits=[highlighted(hit, asked.text) for hit in shown],
    )


def _depths(asked: Question) -> Iterator[int]:
    """How many passages are fetched, until there are enough hits: documents may have many passages each."""
    fetched = asked.limit
    while asked.group and fetched < MOST_FETCHED:
        fetched = min(fetched * 4, MOST_FETCHED)
        yield fetched
    if not asked.group:
        yield fetched


def _best(services: Services, asked: Question, vectors: QuestionVectors, limit: int) -> list[Hit]:
    """The best passages of all collections."""
    indexes = find_indexes(services, asked)
    found = [hit for name in indexes for hit in _hits_of(services, asked, vectors, (name, limit), indexes[name])]
    return _best_of(found)[:limit]


def _best_of(hits: Sequence[Hit]) -> list[Hit]:
    """The hits, best first; each chunk once, with its best score."""
    best: dict[tuple[str, str], Hit] = {}
    for hit in sorted(hits, key=lambda hit: -hit.score):
        best.setdefault((hit.collection, hit.chunk_id), hit)
    return list(best.values())


def _query(asked: Question, part: Part, limit: int, index: Index) -> Query:
    """The query for a part of the question."""
    text = asked.text[part.start : part.end]
    sparse = encode_query(text, index.spec.analyser) if asked.mode != "dense" else None
    return Query(asked.mode, limit, part.vector, sparse, asked.condition)


def _hits_of(
    services: Services, asked: Question, vectors: QuestionVectors, part: tuple[str, int], index: Index | None
) -> list[Hit]:
    """The best passages of a collection: `part` is its name and how many."""
    name, limit = part
    for _ in range(ROUNDS):
        if index is None:
            break
        parts = vectors.of(index) if asked.mode != "sparse" else [Part(0, len(asked.text))]
        rankings = [search_vectors(services, index, _query(asked, part, limit, index)) for part in parts]
        if None not in rankings:
            return _best_of([hit for hits in rankings for hit in hits or ()])[:limit]
        # A re-index switched the collection to another index meanwhile, whose vectors may be of another model.
        index = find_indexes(services, asked).get(name)
    return []
