"""Where words of the question stand in a passage, by the analysis of words that search by words uses."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeVar

from pipeline.results import Hit, Passage
from pipeline.vectorstore.sparse import encode_query

__all__ = ["highlighted", "matched_spans"]

MOST_SPANS = 200
"""Matched words of one passage that are marked, at most."""

WORD = re.compile(r"\w+(?:[’'\u00ad]\w+)*")

AnyPassage = TypeVar("AnyPassage", Hit, Passage)


def highlighted(hit: Hit, question: str) -> Hit:
    """The hit, and the further passages of its document, with `highlights`."""
    further = [_marked(passage, question) for passage in hit.further]
    return _marked(hit, question).model_copy(update={"further": further})


def matched_spans(text: str, question: str) -> list[tuple[int, int]]:
    """Spans of characters of the words in a text that the question has too, inflected or folded as in search.

    Returns:
        Pairs of first character and end, ascending, without overlap; none for a question of stop words.
    """
    wanted = frozenset(_terms(question))
    words = WORD.finditer(text) if wanted else ()
    spans = (word.span() for word in words if not wanted.isdisjoint(_terms(word[0])))
    return [span for span, _ in zip(spans, range(MOST_SPANS), strict=False)]


def _marked(passage: AnyPassage, question: str) -> AnyPassage:
    return passage.model_copy(update={"highlights": [list(span) for span in matched_spans(passage.text, question)]})


@lru_cache(maxsize=20_000)
def _terms(text: str) -> tuple[int, ...]:
    """Hashes of the terms of a text, in each stem that a question is searched by."""
    return tuple(encode_query(text).indices)
