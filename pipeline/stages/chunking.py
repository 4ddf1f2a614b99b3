"""Cut a document's text into chunks that fit into the model.

A chunk begins at the end of the one before, less the overlap, and takes as much text as fits; then it is
ended at the best break in its later part: a paragraph, a sentence, a line, a word, and only then a token.
It never leaves its section, and within a table it ends with a row. Text is tokenised in windows of about a
chunk: no call gets 50 MB of text, or 10 MB without a space, and the cost grows linearly with the length.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from uuid import UUID, uuid5

from embeddings.base import Tokenizer
from extractors.document import Document, Section
from pipeline.stages.breaks import best_break, character_start, resume_at
from pipeline.stages.table_rows import TableRows
from pipeline.types import Chunk

__all__ = ["chunk_id", "cut", "text_hash", "with_lines"]

_NAMESPACE = UUID("6d0f3a52-5a0e-5f0b-9c39-0d6c1f6f7a11")
_CHARS_PER_TOKEN = 16
"""Bounds a chunk's characters where tokens do not: BERT reads a word of 10 MB as one [UNK], and spaces as nothing."""
_WINDOW_SPARE = 1.25
_TEXT = re.compile(r"\S")
_LINED = ("text/plain", "text/markdown", "text/csv", "text/tab-separated-values", "application/json")
"""Types whose text is the file itself: its lines are those of the file, as an editor counts them."""


def cut(document: Document, tokenizer: Tokenizer, max_tokens: int = 256, overlap_tokens: int = 32) -> list[Chunk]:
    """Cut a document into chunks of at most `max_tokens`, measured by `tokenizer` on each chunk's text.

    Chunks begin and end with a character that is not whitespace, `char_start` strictly increases, and
    every such character is in one of them; a text of only whitespace gives none. About `overlap_tokens`,
    at most half a chunk, are repeated from the chunk before, in whole sentences or words. A chunk has at
    most 16 characters per token of `max_tokens`.

    Within a table a chunk ends with a row, unless the row alone is longer; a chunk that begins below the header row
    has that row as its `prefix`, which counts: at most half of the chunk, the rest of a longer one is left out.

    Raises:
        ValueError: `max_tokens` leaves no room beside the special tokens, or not for one character.
    """
    if max_tokens <= tokenizer.special_tokens or overlap_tokens < 0:
        raise ValueError(f"cannot cut into chunks of {max_tokens} tokens with an overlap of {overlap_tokens}")
    text, pages = document.text, _Pages(document)
    cutter = _Cutter(text, TableRows(document, text), tokenizer, max_tokens, overlap_tokens)
    spans = ((span, path) for start, end, path in _scopes(document, text) for span in cutter.spans(start, end))
    chunks = [
        Chunk(order, text[start:end], start, end, *pages.span(start, end), section, tokens, prefix=prefix)
        for order, ((start, end, tokens, prefix), section) in enumerate(spans)
    ]
    return with_lines(document, chunks)


def with_lines(document: Document, chunks: list[Chunk]) -> list[Chunk]:
    """Return the chunks of a document without pages with their line or paragraph numbers; others unchanged."""
    if any(page.number is not None for page in document.pages):
        return chunks
    is_lined = document.media_type in _LINED
    counted = _lines if is_lined else _paragraphs
    text, numbered = document.text, list[Chunk]()

    def between(start: int, end: int) -> int:
        """How many lines or paragraphs that begin at or before `start` end before `end`."""
        return counted(text[start : text.rfind("\n", start, end) + 1])

    at, number = 0, 1
    for chunk in chunks:
        start = chunk.char_start
        number += between(at, start) if start >= at else -between(start, at)
        last = number + between(start, max(chunk.char_end - 1, start))
        numbered.append(
            replace(chunk, line_start=number, line_end=last)
            if is_lined
            else replace(chunk, paragraph_start=number, paragraph_end=last)
        )
        at = start
    return numbered


def _lines(text: str) -> int:
    return text.count("\n")


def _paragraphs(text: str) -> int:
    return sum(not line.isspace() for line in text.splitlines(keepends=True))


def chunk_id(version_id: str, order: int, text: str) -> str:
    """Return a chunk's UUID: the same for the same version, order and text."""
    return str(uuid5(_NAMESPACE, f"{version_id}\n{order}\n{text_hash(text)}"))


def text_hash(text: str) -> str:
    """Return the SHA-256 of the text in UTF-8, 64 hexadecimal digits."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Pages:
    """The pages of a document, to find those of a span."""

    def __init__(self, document: Document) -> None:
        self._starts = document.page_starts
        self._numbers = [page.number for page in document.pages]

    def span(self, start: int, end: int) -> tuple[int | None, int | None, tuple[tuple[int, int], ...]]:
        """Return the first page, the last page and the page breaks of a span of the text."""
        first, last = bisect_right(self._starts, start) - 1, bisect_left(self._starts, end) - 1
        begun = zip(self._starts[first + 1 : last + 1], self._numbers[first + 1 : last + 1], strict=True)
        breaks = tuple((offset - start, number) for offset, number in begun if number is not None)
        return self._numbers[first], self._numbers[last], breaks


def _scopes(document: Document, text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield the spans that chunks stay within: sections and the text between them, in order.

    A heading without text is joined with the first section under it, whose path names it.
    """
    position = 0
    begun: int | None = None
    for section, following in pairwise((*document.sections, None)):
        if section is None:
            break
        start = max(section.char_start, position)
        if begun is None:
            yield position, start, ()
            begun = start
        position = max(section.char_end, start)
        if not _leads(section, following, text):
            yield begun, position, section.path
            begun = None
    yield position, len(text), ()


def _leads(section: Section, following: Section | None, text: str) -> bool:
    """Whether the section is only a heading, and the next one stands directly under it."""
    if following is None or len(following.path) <= len(section.path):
        return False
    under = following.path[: len(section.path)] == section.path
    heading = text[section.char_start : section.char_end].strip()
    between = text[section.char_end : following.char_start].strip()
    return under and not between and heading.strip("#=- \t\n") == section.path[-1].strip()


class _Cutter:
    """Cuts one text; the tokenizer reads a window at a time."""

    def __init__(
        self, text: str, tables: TableRows, tokenizer: Tokenizer, max_tokens: int, overlap_tokens: int
    ) -> None:
        self._text = text
        self._tables = tables
        self._fitted = lru_cache(maxsize=16)(self._fit)
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._room = max_tokens - tokenizer.special_tokens
        self._overlap = min(overlap_tokens, self._room // 2)
        self._max_chars = max_tokens * _CHARS_PER_TOKEN
        self._chars_per_token = 4.0

    def spans(self, start: int, end: int) -> Iterator[tuple[int, int, int, str]]:
        """Yield start, end, tokens and prefix of each chunk of one scope."""
        begin = self._skip(start, end)
        end = begin + len(self._text[begin:end].rstrip())
        if begin < end <= begin + self._max_chars:
            tokens = self._count(begin, end)
            if tokens <= self._max_tokens:
                yield begin, end, tokens, self._prefix(begin)
                return
        done = begin  # everything before it is in a chunk
        while done < end:
            chunk = self._chunk(begin, done, end)
            if chunk is None:  # with the overlap, nothing new fits
                begin = done
                continue
            stop, tokens, starts = chunk
            yield begin, stop, tokens, self._prefix(begin)
            done = self._skip(stop, end)
            begin = self._resume(begin, stop, starts) or done

    def _skip(self, position: int, end: int) -> int:
        match = _TEXT.search(self._text, position, end)
        return match.start() if match else end

    def _prefix(self, begin: int) -> str:
        """The header row that goes with a chunk from `begin`, as far as it fits; "" outside of tables."""
        header = self._tables.header(begin)
        return self._fitted(header) if header else ""

    def _fit(self, header: str) -> str:
        spans = self._tokenizer.offsets(header[: self._max_chars])
        if len(spans) <= self._room // 2 and len(header) <= self._max_chars // 2:
            return header
        reach = spans[self._room // 2][0] if len(spans) > self._room // 2 else self._max_chars // 2
        return header[: min(reach, self._max_chars // 2)].rstrip()

    def _room_after(self, begin: int) -> int:
        """Tokens that a chunk from `begin` has for its text beside its prefix and the special tokens."""
        prefix = self._prefix(begin)
        return self._max_tokens - self._tokenizer.count([prefix])[0] if prefix else self._room

    def _count(self, start: int, end: int) -> int:
        prefix, text = self._prefix(start), self._text[start:end]
        return self._tokenizer.count([f"{prefix}\n{text}" if prefix else text])[0]

    def _chunk(self, begin: int, done: int, end: int) -> tuple[int, int, list[int]] | None:
        """Find end, tokens and token starts of the chunk at `begin`; None if it cannot get beyond `done`."""
        limit, starts = self._window(begin, end)
        while limit > done:
            stop = best_break(self._text, begin, max(done, begin), limit, limit == end)
            whole_rows = self._tables.end_before(begin, max(done, begin), stop) if stop < end else stop
            if whole_rows is None and begin < done:
                return None  # without the overlap the row may fit
            stop = stop if whole_rows is None else whole_rows
            tokens = self._count(begin, stop)
            if tokens <= self._max_tokens:
                return stop, tokens, starts
            # Counts do not add up: a part of a word may have more tokens than the whole word.
            limit = self._tighter(begin, stop)
        return None

    def _window(self, begin: int, end: int) -> tuple[int, list[int]]:
        """Find how far a chunk from `begin` can reach, and where its tokens start."""
        furthest, room = min(end, begin + self._max_chars), self._room_after(begin)
        size = int(room * self._chars_per_token * _WINDOW_SPARE) + 1
        while True:
            stop = min(furthest, begin + size)
            starts = [begin + span[0] for span in self._tokenizer.offsets(self._text[begin:stop])]
            if len(starts) > room or stop == furthest:
                break
            size *= 2
        if starts:
            self._chars_per_token = (stop - begin) / len(starts)
        reach = starts[room] if len(starts) > room else furthest
        return max(reach, begin + 1), starts

    def _tighter(self, begin: int, stop: int) -> int:
        """Find a limit before `stop`, after a chunk up to `stop` was too long."""
        if stop <= begin + 1:
            raise ValueError(f"the character at offset {begin} alone is longer than {self._max_tokens} tokens")
        spans, room = self._tokenizer.offsets(self._text[begin:stop]), self._room_after(begin)
        limit = begin + spans[room][0] if len(spans) > room else begin + (stop - begin) // 2
        return min(max(limit, begin + 1), stop - 1)

    def _resume(self, begin: int, stop: int, starts: list[int]) -> int | None:
        """Find where the next chunk begins to repeat the end of this one; None if it repeats nothing."""
        inside = bisect_left(starts, stop)
        if not self._overlap or inside < 2:
            return None
        earliest = starts[max(inside - self._overlap, 1)]
        start = resume_at(self._text, character_start(self._text, earliest, begin), stop)
        start = self._tables.start_after(start, stop)
        return start if begin < start < stop else None
