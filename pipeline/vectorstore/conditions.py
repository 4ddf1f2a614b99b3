"""`Filter` in the few conditions that both engines have; each adapter puts them in its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from pipeline.errors import BadRequest
from pipeline.vectorstore.base import Filter
from pipeline.vectorstore.source_globs import is_exact, select

__all__ = ["INDEXED", "MOST_SOURCES", "AnyOf", "Between", "Condition", "Flag", "Within", "conditions", "resolved"]

INDEXED = {
    "document_id": "keyword",
    "version_id": "keyword",
    "source": "keyword",
    "media_type": "keyword",
    "tags": "keyword",
    "live": "bool",
    "page_start": "integer",
    "page_end": "integer",
    "modified_at": "datetime",
}
"""Payload fields that are filtered on, and the kind of index each one gets."""

MOST_SOURCES = 1_000_000
"""Distinct sources that a glob is held against; an engine allots memory for so many."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field equals one of the values; a list, if any of its elements does."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """The boolean field has this value."""

    key: str
    value: bool


@dataclass(frozen=True, slots=True)
class Within:
    """The integer field lies in these bounds, ends included."""

    key: str
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Between:
    """The time lies at or after `since` and before `until` (ISO 8601)."""

    key: str
    since: str | None
    until: str | None


Condition: TypeAlias = AnyOf | Flag | Within | Between


def conditions(where: Filter) -> list[Condition]:
    """The conditions that must all hold; `sources` are taken as exact values.

    Raises:
        BadRequest: a time that is none.
    """
    return [*_names(where), *_page(where.page), *_rest(where)]


def resolved(where: Filter, sources_of: Callable[[Filter], list[str]]) -> Filter | None:
    """Put exact sources in the place of globs.

    Args:
        where: any filter.
        sources_of: the distinct sources of the points that match a filter without sources.

    Returns:
        A filter without globs; None when no source matches, so that no point can.

    Raises:
        BadRequest: there are a million sources or more.
    """
    if all(is_exact(glob) for glob in where.sources):
        return where
    known = sources_of(replace(where, sources=()))
    if len(known) >= MOST_SOURCES:
        raise BadRequest("There are too many sources to search them by a pattern.", "Name the whole source URI.")
    found = select(known, where.sources)
    return replace(where, sources=tuple(found)) if found else None


def _names(where: Filter) -> Iterator[Condition]:
    fields = {
        "document_id": where.document_ids,
        "version_id": where.version_ids,
        "source": where.sources,
        "media_type": where.media_types,
        "tags": where.tags,
    }
    return (AnyOf(key, values) for key, values in fields.items() if values)


def _page(page: int | None) -> Iterator[Condition]:
    if page is not None:
        yield Within("page_start", most=page)
        yield Within("page_end", least=page)


def _rest(where: Filter) -> Iterator[Condition]:
    if where.modified_after is not None or where.modified_before is not None:
        yield Between("modified_at", _utc(where.modified_after), _utc(where.modified_before))
    if where.live is not None:
        yield Flag("live", where.live)
    if where.orders is not None:
        yield Within("order", *where.orders)


def _utc(time: str | None) -> str | None:
    """The time with its zone written out, as both engines read it."""
    if time is None:
        return None
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        raise BadRequest(f"{time!r} is not a time.", "Write it as in 2026-05-31 or 2026-05-31T18:00:00Z.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
