"""Candidates in the order of a cross-encoder, which reads each passage together with the question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pipeline import rpc
from pipeline.errors import BadRequest
from pipeline.search.candidates import Candidate, ranked
from pipeline.search.groups import SHOWN
from pipeline.search.request import Question
from pipeline.services import Services

__all__ = ["is_reranked", "reranked"]

FIRST_SCORES_S = 300.0
"""Longest wait for the scores of a reranker, which the worker may have to fetch and load first."""


def is_reranked(services: Services, asked: Question) -> bool:
    """Whether a reranker orders the hits: as the search says, else if one is set up.

    Raises:
        BadRequest: the search asks for a reranker and none is set up.
    """
    if asked.rerank and not services.settings.reranker:
        raise BadRequest(
            "No reranker is set up.", "Set `reranker` to a cross-encoder: a hub model (owner/name), or a folder."
        )
    return bool(services.settings.reranker) and asked.rerank is not False


def reranked(services: Services, asked: Question, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Order the best candidates by the scores of the reranker; the others are left out.

    Raises:
        RerankerUnavailable: the worker finds no such model.
        StackUnavailable: no process answers that has models.
    """
    by_part: dict[str, list[Candidate]] = {}
    for candidate in _chosen(asked, candidates):
        by_part.setdefault(candidate.asked, []).append(candidate)
    return ranked([scored for part, some in by_part.items() for scored in _scored(services, part, some)])


def _chosen(asked: Question, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that are read: with hits by document no more of one than a hit shows."""
    if not asked.group:
        return list(candidates[: asked.reranked_passages])
    needed, others = list[Candidate](), list[Candidate]()
    taken = Counter[tuple[str, str]]()
    for candidate in candidates:
        document = (candidate.hit.collection, candidate.hit.document_id)
        if not taken[document] and len(taken) <= asked.limit:
            needed.append(candidate)
        elif taken[document] <= SHOWN:
            others.append(candidate)
        taken[document] += 1
    # The best passage of each document that is wanted comes first: others must not take its place.
    return (needed + others)[: asked.reranked_passages]


def _scored(services: Services, part: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    hits = [candidate.hit for candidate in candidates]
    texts = [f"{hit.prefix}\n{hit.text}" if hit.prefix else hit.text for hit in hits]
    asked = {"model": services.settings.reranker, "question": part, "texts": texts}
    scores = rpc.call(services.redis, "embed", "rerank", asked, FIRST_SCORES_S)
    return [
        replace(candidate, hit=candidate.hit.model_copy(update={"score": float(score)}))
        for candidate, score in zip(candidates, scores, strict=True)
    ]
