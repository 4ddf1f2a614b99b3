"""Express a `Filter` in the conditions that both engines have; each adapter converts them to its own types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pipeline.errors import BadRequest
from pipeline.source_names import is_exact, select
from pipeline.vectorstore.base import Filter
from pipeline.vectorstore.metadata_values import metadata_value

__all__ = [
    "INDEXED",
    "MAX_SOURCES",
    "AnyOf",
    "Between",
    "Condition",
    "Flag",
    "HasId",
    "Within",
    "conditions",
    "resolve_sources",
]

INDEXED = {
    "document_id": "keyword",
    "version_id": "keyword",
    "source": "keyword",
    "media_type": "keyword",
    "tags": "keyword",
    "metadata_values": "keyword",
    "live": "bool",
    "page_start": "integer",
    "page_end": "integer",
    "modified_at": "datetime",
}
"""Payload fields that are filtered on, and the kind of index each one gets."""

MAX_SOURCES = 1_000_000
"""Distinct sources that a glob is matched with, at most; an engine allocates memory for so many."""


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
    at_least: int | None = None
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Between:
    """The time lies at or after `since` and before `until` (ISO 8601)."""

    key: str
    since: str | None
    until: str | None


@dataclass(frozen=True, slots=True)
class HasId:
    """The id of the point is one of these."""

    ids: tuple[str, ...]


Condition: TypeAlias = AnyOf | Flag | HasId | Within | Between


def conditions(where: Filter) -> list[Condition]:
    """Return the conditions of a filter, which must all hold; `sources` are exact values.

    Raises:
        BadRequest: a time cannot be parsed.
    """
    return [*_names(where), *_metadata(where.metadata), *_page(where.page), *_rest(where)]


def resolve_sources(where: Filter, sources_of: Callable[[Filter], list[str]]) -> Filter | None:
    """Replace globs by exact sources.

    Args:
        where: any filter.
        sources_of: the distinct sources of the points that match a filter without sources.

    Returns:
        A filter without globs; None when no source matches: then no point does.

    Raises:
        BadRequest: there are a million sources or more.
    """
    if all(is_exact(glob) for glob in where.sources):
        return where
    known = sources_of(replace(where, sources=()))
    if len(known) >= MAX_SOURCES:
        raise BadRequest("There are too many sources to search them by a pattern.", "Name the whole source URI.")
    matching = select(known, where.sources)
    return replace(where, sources=tuple(matching)) if matching else None


def _names(where: Filter) -> Iterator[Condition]:
    fields = {
        "document_id": where.document_ids,
        "version_id": where.version_ids,
        "source": where.sources,
        "media_type": where.media_types,
        "tags": where.tags,
    }
    return (AnyOf(key, values) for key, values in fields.items() if values)


def _metadata(metadata: Mapping[str, Any]) -> Iterator[Condition]:
    for key, wanted in metadata.items():
        values = wanted if isinstance(wanted, list | tuple) else [wanted]
        if values:
            yield AnyOf("metadata_values", tuple(metadata_value(key, value) for value in values))


def _page(page: int | None) -> Iterator[Condition]:
    if page is not None:
        yield Within("page_start", at_most=page)
        yield Within("page_end", at_least=page)


def _rest(where: Filter) -> Iterator[Condition]:
    if where.modified_after is not None or where.modified_before is not None:
        yield Between("modified_at", _utc(where.modified_after), _utc(where.modified_before))
    if where.live is not None:
        yield Flag("live", where.live)
    if where.orders is not None:
        yield Within("order", *where.orders)
    if where.point_ids:
        yield HasId(where.point_ids)


def _utc(time: str | None) -> str | None:
    """The time with its zone, as both engines need it."""
    if time is None:
        return None
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        raise BadRequest(f"{time!r} is not a time.", "Write it as in 2026-05-31 or 2026-05-31T18:00:00Z.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
