"""Where the terms of a question stand in a passage: spans of characters for people to see."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias
from unicodedata import is_normalized

from pipeline.vectorstore.analysis import identifiers, patterns, queries
from pipeline.vectorstore.analysis.folding import IGNORED, plain
from pipeline.vectorstore.analysis.languages import detect
from pipeline.vectorstore.analysis.passages import JOINTS, known_words
from pipeline.vectorstore.analysis.words import CLUSTER, MARKS, SPACED, SPLIT, is_undivided

__all__ = ["Span", "matched_spans"]

Span: TypeAlias = tuple[int, int]

SEGMENT = re.compile(f"(?s:.)[{MARKS}\u3099\u309a\u1161-\u11ff\u00ad\u200b-\u200f]*")
"""A character with what is composed with it."""


def matched_spans(text: str, question: str) -> Iterator[Span]:
    """Yield spans of words in a passage that have a term of the question, in no order; some may overlap."""
    wanted = _wanted(question)
    if not wanted:
        return
    clean, origins = _aligned(text)
    matches = list(SPLIT.finditer(clean))
    languages = detect(match[0] for match in matches)
    for match in matches:
        for start, end in _in_word(match[0], wanted, languages):
            yield origins.span(match.start() + start, match.start() + end)
    for match in SPACED.finditer(clean):
        if match[0].upper() == match[0] and identifiers.merged(match[0]) in wanted:
            yield origins.span(*match.span())
    for start, end, term, _ in patterns.matches(clean):
        if term in wanted:
            yield origins.span(start, end)


@lru_cache(8)
def _wanted(question: str) -> frozenset[str]:
    """The terms of a question, which are looked for in each of its hits."""
    return frozenset(queries.terms(question))


@dataclass(frozen=True, slots=True)
class _Origins:
    """From which characters of a text those of its plain form come: where each segment begins there, and its span.

    Empty lists say that both forms have the same offsets.
    """

    starts: list[int] = field(default_factory=list)
    segments: list[Span] = field(default_factory=list)

    def span(self, start: int, end: int) -> Span:
        """The span in the text of a span in its plain form."""
        if not self.starts:
            return start, end
        first, last = bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1) - 1
        return self.segments[first][0], self.segments[last][1]


def _aligned(text: str) -> tuple[str, _Origins]:
    """The plain form of a text, segment by segment."""
    if text.isascii() or (is_normalized("NFKC", text) and not IGNORED.search(text)):
        return plain(text), _Origins()
    origins, pieces, length = _Origins(), list[str](), 0
    for segment in SEGMENT.finditer(text):
        if piece := plain(segment[0]):
            origins.starts.append(length)
            origins.segments.append(segment.span())
            pieces.append(piece)
            length += len(piece)
    return "".join(pieces), origins


def _in_word(word: str, wanted: Set[str], languages: tuple[str, ...]) -> Iterator[Span]:
    """Spans in a word that have a wanted term."""
    if is_undivided(word):
        yield from _in_run(word, wanted)
    elif not wanted.isdisjoint(_wholes(word)) or _has_term(identifiers.joined(word) or "", wanted, languages):
        yield 0, len(word)
    else:
        joints = [(0, 0), *(match.span() for match in JOINTS.finditer(word)), (len(word), len(word))]
        for (_, start), (end, _) in pairwise(joints):
            if _has_term(word[start:end], wanted, languages):
                yield start, end


def _wholes(word: str) -> list[str]:
    return [term for term in (identifiers.whole(word), *identifiers.shortened(word)) if term]


def _has_term(part: str, wanted: Set[str], languages: tuple[str, ...]) -> bool:
    return bool(part) and any(term in wanted for term, _ in known_words(languages)[part][0])


def _in_run(run: str, wanted: Set[str]) -> Iterator[Span]:
    """Spans of characters, and pairs of them, in a run of a script that does not divide words."""
    clusters = [match.span() for match in CLUSTER.finditer(run)]
    for start, end in clusters:
        if run[start:end] in wanted:
            yield start, end
    for (start, _), (_, end) in pairwise(clusters):
        if run[start:end] in wanted:
            yield start, end
