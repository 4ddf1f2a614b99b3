"""Windows of a text that is longer than a model reads: what a long question is embedded in."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

from embeddings.base import Tokenizer

__all__ = ["windows"]

SHORTEST = 64
"""Tokens of a window at least, where the model reads as many: a vector of a shorter text says more about each word of
it, but each window costs a search."""

SENTENCE = re.compile(r"(?<=[.!?…:;])\s+|(?<=[。！？；])\s*|\s*\n\s*")


def windows(text: str, tokenizer: Tokenizer, room: int, most: int) -> list[tuple[int, int]]:
    """Cut a text into windows of at most `room` tokens, at the ends of sentences where there are some.

    The last sentence is also a window of its own, as long questions end with what is asked. A text that needs more
    than `most` windows loses tokens between the first ones and those at its end.

    Args:
        text: any text.
        tokenizer: the model's own.
        room: tokens that fit into the model beside its special tokens and the prefix of questions.
        most: windows at most, 2 or more.

    Returns:
        Spans of characters, ascending; the whole text if it fits.
    """
    tokens = tokenizer.offsets(text)
    room = max(room, 1)
    if len(tokens) <= room:
        return [(0, len(text))]
    spans = next(
        (spans for size in _sizes(room, len(tokens), most) if len(spans := _spans(text, tokens, size)) < most),
        _spans(text, tokens, room, by_sentence=False),
    )
    tail = spans[-1] if len(spans) < most else (_tail(text, tokens, room), len(text))
    last = _last_sentence(text, tail, tokens, room)
    ending = [tail] if last is None else [tail, last]
    return [*spans[:-1][: most - len(ending)], *ending]


def _sizes(room: int, tokens: int, most: int) -> Iterator[int]:
    """Sizes of windows to try, ascending: of windows that end with a sentence it takes more."""
    size = min(room, max(SHORTEST, -(-tokens // (most - 1))))
    while size < room:
        yield size
        size += -(-size // 4)
    yield room


def _spans(
    text: str, tokens: Sequence[tuple[int, int]], size: int, *, by_sentence: bool = True
) -> list[tuple[int, int]]:
    """Windows of at most `size` tokens, ascending and without a gap."""
    starts = [start for start, _ in tokens]
    sentences = {bisect_left(starts, match.end()) for match in SENTENCE.finditer(text)} if by_sentence else set[int]()
    words = {index for index in range(1, len(tokens)) if text[tokens[index][0] - 1].isspace()}
    ends, begin = list[int](), 0
    while begin + size < len(tokens):
        limit = begin + size
        inside = range(limit, begin + size // 2, -1)
        begin = next((index for kind in (sentences, words) for index in inside if index in kind), limit)
        ends.append(starts[begin])
    # Two tokens of one character, which an approximate tokenizer counts, begin at the same place.
    return [(start, end) for start, end in pairwise([0, *ends, len(text)]) if start < end]


def _tail(text: str, tokens: Sequence[tuple[int, int]], room: int) -> int:
    """Where the words begin that fit into a window at the end of the text."""
    starts = [start for start, _ in tokens[-room:]]
    return next((start for start in starts if text[start - 1].isspace()), starts[0])


def _last_sentence(
    text: str, span: tuple[int, int], tokens: Sequence[tuple[int, int]], size: int
) -> tuple[int, int] | None:
    """The last sentence inside the last window; None if it is the whole window, or has no two tokens."""
    end = len(text.rstrip())
    begin = max((match.end() for match in SENTENCE.finditer(text, *span) if match.end() < end), default=span[0])
    count = len(tokens) - bisect_right(tokens, (begin, -1))
    return (begin, len(text)) if begin > span[0] and 2 <= count <= size else None
