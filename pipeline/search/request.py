"""What a search is asked for, checked, and the indexes that answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict

from extractors.registry import formats, media_types_of
from pipeline.catalog import Connection
from pipeline.catalog.index import collections
from pipeline.catalog.index.indexes import Index
from pipeline.errors import BadRequest, SpaceMismatch
from pipeline.ingest.request import read_json
from pipeline.services import Services
from pipeline.types import Mode, canonical
from pipeline.vectorstore.base import Filter

__all__ = ["Group", "Question", "SearchOptions", "find_indexes", "metadata_of", "resolve_media_types"]

MAX_HITS = 1000
MAX_COLLECTIONS = 20

RERANK_DEPTH = 50
"""Passages that a reranker reads, unless a search says another number."""

Group = Literal["document"]
"""What hits are put together by."""


class SearchOptions(TypedDict, total=False):
    """What a search may be given besides question, collections, limit, mode and filter; None is as left out.

    `min_score` leaves out hits with a lower score, from 0 to 1. `group` "document" gives the best passage of each
    document, with further ones below it; the limit counts documents then. `rerank` says whether the reranker of the
    settings orders the hits, by default if one is set up, and `rerank_depth` how many passages it reads at least.
    """

    min_score: float | None
    group: Group | None
    rerank: bool | None
    rerank_depth: int | None


@dataclass(frozen=True, slots=True)
class Question:
    """A search: the text of the question, where to search, and what the answer is to hold."""

    text: str
    collections: tuple[str, ...]
    limit: int = 10
    mode: Mode = "hybrid"
    where: Filter = field(default_factory=Filter)
    min_score: float | None = None
    group: Group | None = None
    rerank: bool | None = None
    rerank_depth: int | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            BadRequest: an empty or unreadable question, or a limit, score or collection that cannot be.
        """
        if not self.text.strip():
            raise BadRequest("The question is empty.", "Say what to look for.")
        if any("\ud800" <= char <= "\udfff" for char in self.text):
            raise BadRequest("The question holds bytes that are no text.", "Write it in UTF-8.")
        if not 1 <= self.limit <= MAX_HITS:
            raise BadRequest(f"The limit {self.limit} is out of range.", f"Take 1 to {MAX_HITS}.")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise BadRequest(f"The score {self.min_score:g} is out of range.", "Take 0 to 1.")
        if self.rerank_depth is not None and not 1 <= self.rerank_depth <= MAX_HITS:
            raise BadRequest(f"The depth {self.rerank_depth} is out of range.", f"Take 1 to {MAX_HITS}.")
        if self.group not in (None, "document"):
            raise BadRequest(f"Hits cannot be put together by {self.group!r}.", "Say: document.")
        if not 1 <= len(self.collections) <= MAX_COLLECTIONS:
            raise BadRequest(f"These are {len(self.collections)} collections.", f"Name 1 to {MAX_COLLECTIONS}.")

    @property
    def reranked_passages(self) -> int:
        """How many passages a reranker reads, if there are as many."""
        return max(self.rerank_depth or RERANK_DEPTH, self.limit)

    @property
    def condition(self) -> Filter:
        """The filter as the store needs it.

        Raises:
            BadRequest: a wrong tag, or a type that no format has.
        """
        media_types, tags = resolve_media_types(self.where.media_types), canonical(self.where.tags)
        return replace(self.where, live=True, media_types=media_types, tags=tags)


def resolve_media_types(words: Sequence[str]) -> tuple[str, ...]:
    """Resolve media types as users write them: `application/pdf`, `pdf`, `.pdf` and `PDF` are the same.

    Raises:
        BadRequest: no format is known by one of the words.
    """
    by_word = {word: media_types_of(word) for word in words}
    unknown = [word for word, types in by_word.items() if not types]
    if unknown:
        known = ", ".join(row.suffixes[0].lstrip(".") for row in formats() if row.suffixes)
        raise BadRequest(f"There is no type {unknown[0]}.", f"Name a media type, or one of: {known}.")
    return tuple(dict.fromkeys(media_type for types in by_word.values() for media_type in types))


def metadata_of(words: Sequence[str]) -> dict[str, list[Any]]:
    """Conditions on metadata as users write them, KEY=VALUE each: {key: values of which one must be there}.

    `12` is the number and the text; a key that comes again has further values.

    Raises:
        BadRequest: one is not written so.
    """
    wanted: dict[str, list[Any]] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not key or not equals:
            raise BadRequest(f"{word!r} is no condition on metadata.", "Write KEY=VALUE, e.g. colour=red.")
        wanted.setdefault(key, []).extend([text, *_as_json(text)])
    return wanted


def _as_json(text: str) -> Iterator[Any]:
    """The value that a text is as JSON, if it is one that metadata can be searched by."""
    try:
        value = read_json(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(value, dict | list):
        yield value


def find_indexes(services: Services, question: Question) -> dict[str, Index]:
    """Find the indexes that answer for the collections now: {collection: index}. No stack is needed.

    Collections that do not exist yet are left out.

    Raises:
        SpaceMismatch: a collection was made with another model than the configured one, or than the others.
    """
    with services.catalog.connect() as connection:
        found = {name: _index(services, connection, name) for name in dict.fromkeys(question.collections)}
    existing = {name: index for name, index in found.items() if index is not None}
    if question.mode != "sparse":
        _check_one_model(existing)
    return existing


def _index(services: Services, connection: Connection, name: str) -> Index | None:
    return collections.check_space(connection, name, services.fingerprint)


def _check_one_model(existing: dict[str, Index]) -> None:
    """Scores of two models say nothing about each other. Raises SpaceMismatch."""
    first_name, first = next(iter(existing.items()), ("", None))
    for name, index in existing.items():
        if first is not None and index.fingerprint != first.fingerprint:
            raise SpaceMismatch(
                f"The collection {name} has vectors of {index.fingerprint.model}, "
                f"and {first_name} of {first.fingerprint.model}.",
                "Search them one by one, or by words alone: mode sparse.",
            )
