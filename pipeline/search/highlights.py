"""Where words of the question stand in a passage, by the analysis of words that the index of the passage has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

from pipeline.names import ANALYSER
from pipeline.results import Hit, Passage
from pipeline.vectorstore import analyser_1
from pipeline.vectorstore.analysis import matches

__all__ = ["highlighted", "matched_spans"]

MOST_SPANS = 200
"""Matches of one passage that are marked, at most."""

WORD = re.compile(r"\w+(?:[’'\u00ad]\w+)*")

AnyPassage = TypeVar("AnyPassage", Hit, Passage)

Span = tuple[int, int]


def highlighted(hit: Hit, question: str, analysers: Mapping[str, int]) -> Hit:
    """The hit, and the further passages of its document, with `highlights`.

    Args:
        hit: the hit.
        question: the whole question.
        analysers: the analyser of each collection's index.
    """
    analyser = analysers.get(hit.collection, ANALYSER)
    further = [_marked(passage, question, analyser) for passage in hit.further]
    return _marked(hit, question, analyser).model_copy(update={"further": further})


def matched_spans(text: str, question: str, analyser: int = ANALYSER) -> list[Span]:
    """Spans of characters of the words in a text that the question has too, inflected or folded as in search.

    Returns:
        Pairs of first character and end, ascending, without overlap; none for a question without words that count.
    """
    spans = _matched_1(text, question) if analyser == 1 else matches.matched_spans(text, question)
    return _merged(spans)[:MOST_SPANS]


def _marked(passage: AnyPassage, question: str, analyser: int) -> AnyPassage:
    spans = matched_spans(passage.text, question, analyser)
    return passage.model_copy(update={"highlights": [list(span) for span in spans]})


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that overlap as one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _matched_1(text: str, question: str) -> Iterator[Span]:
    """The same by analyser 1, which tells no offsets: each word is analysed as if it were a question."""
    wanted = frozenset(_terms_1(question))
    words = WORD.finditer(text) if wanted else ()
    return (word.span() for word in words if not wanted.isdisjoint(_terms_1(word[0])))


@lru_cache(maxsize=20_000)
def _terms_1(text: str) -> tuple[int, ...]:
    return tuple(analyser_1.encode_query(text).indices)
