"""Lists of documents, page by page: for `docrelay documents` and `GET /v1/documents`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.catalog import Connection
from pipeline.catalog.database.cursors import cursor_of, key_of
from pipeline.catalog.documents import listing
from pipeline.catalog.documents.list_conditions import DocumentFilter
from pipeline.catalog.documents.listing import Sort
from pipeline.catalog.index import collections
from pipeline.errors import BadRequest, UnknownId
from pipeline.ingest.walk import path_of
from pipeline.lists.sorting import sort_of
from pipeline.moments import moment_of
from pipeline.names import STATES
from pipeline.results import DocumentList, DocumentSummary, iso
from pipeline.services import Services
from pipeline.source_names import literals, marks, matcher
from pipeline.spool import original_key
from pipeline.types import canonical

__all__ = ["ORDERS", "DocumentQuery", "list_documents"]

ORDERS = ("id", "source", "time", "size", "state")
"""What a list can be sorted by; `time`: when a document came in for the first time."""


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Which documents are listed, all conditions together; in which order; and which page.

    `source` is a name or a glob, as for a search. `since` and `before` are about the time when a document came in for
    the first time: times in ISO 8601, or durations before now such as `2h` or `3d`. `sort` is one of `ORDERS`, with a
    minus before it from the last to the first. A page has the `limit` documents after the cursor `after` at most.
    """

    collection: str | None = None
    state: str | None = None
    outdated: bool = False
    incomplete: bool = False
    source: str | None = None
    after: str | None = None
    limit: int = 100
    code: str | None = None
    tag: str | None = None
    since: str | None = None
    before: str | None = None
    sort: str = "id"

    def __post_init__(self) -> None:
        """Check the state, the order and the tag. Raises BadRequest."""
        if self.state is not None and self.state not in STATES:
            raise BadRequest(f"There is no state {self.state}.", f"Take one of: {', '.join(STATES)}.")
        sort_of(self.sort, ORDERS)
        canonical(None if self.tag is None else [self.tag])


def list_documents(services: Services, query: DocumentQuery) -> DocumentList:
    """List documents, page by page. Only the catalog and the files of outdated documents are looked at.

    A page that is not the last one may have fewer documents than `limit`, even none, where it took many to find those
    that meet the conditions.

    Raises:
        UnknownId: there is no such collection.
        BadRequest: the query's `after` is no cursor of a list of this order, or a time of it is none.
    """
    order, descending = sort_of(query.sort, ORDERS)
    after, where = key_of(order, query.after), _filter_of(query)
    with services.catalog.connect() as connection:
        if query.collection is not None and not collections.exists(connection, query.collection):
            hint = "What there is: docrelay status, or GET /v1/collections"
            raise UnknownId(f"There is no collection {query.collection}.", hint)
        if query.source is not None:
            where = _named(connection, where, query.source)
        rows, following = listing.list_documents(connection, where, Sort(order, descending), after, query.limit)
    return DocumentList(documents=[_summary(services, row) for row in rows], next=cursor_of(order, following))


def _filter_of(query: DocumentQuery) -> DocumentFilter:
    """The conditions of a query as the catalog takes them, but for `has_source`. Raises BadRequest."""
    now = time.time()
    tags = canonical(None if query.tag is None else [query.tag])
    return DocumentFilter(
        query.collection,
        query.state,
        query.outdated,
        query.incomplete,
        literals=() if query.source is None else literals(query.source),
        code=query.code,
        tag=tags[0] if tags else None,
        since=moment_of(query.since, now),
        before=moment_of(query.before, now),
    )


def _named(connection: Connection, where: DocumentFilter, glob: str) -> DocumentFilter:
    """The conditions with the one that a name or pattern means the source of a document."""
    few = listing.few_sources(connection, where) if where.literals else None
    if few is not None:
        is_meant = matcher(few.values(), glob)
        return replace(where, ids=tuple(document_id for document_id, source in few.items() if is_meant(source)))
    # Only sources with a sign of a pattern can be named by a pattern's text.
    marked = (replace(where, literals=(mark, *where.literals)) for mark in marks(glob)[-1:])
    named = (source for conditions in marked for source in listing.list_sources(connection, conditions))
    return replace(where, has_source=matcher(named, glob))


def _summary(services: Services, row: Mapping[str, Any]) -> DocumentSummary:
    has_original = _has_original(services, row["source"], row["content_sha256"]) if row["outdated"] else None
    fields = {name: value for name, value in row.items() if name != "content_sha256"}
    fields["created_at"] = iso(row["created_at"])
    return DocumentSummary(**fields, has_original=has_original)


def _has_original(services: Services, source: str, content: str) -> bool:
    in_spool = services.spool.exists(original_key(content, source))
    return in_spool or (source.startswith("/") and path_of(source).is_file())
