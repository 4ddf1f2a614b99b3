"""Lists of documents, page by page: for `docrelay documents` and `GET /v1/documents`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.catalog import Connection
from pipeline.catalog.documents import listing
from pipeline.catalog.documents.listing import DocumentFilter
from pipeline.catalog.index import collections
from pipeline.errors import BadRequest, UnknownId
from pipeline.ingest.walk import path_of
from pipeline.names import STATES
from pipeline.results import DocumentList, DocumentSummary
from pipeline.services import Services
from pipeline.source_names import literals, marks, matcher
from pipeline.spool import original_key

__all__ = ["DocumentQuery", "check_position", "list_documents"]

DOCUMENT_ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Which documents are listed, all conditions together, and which page: the `limit` documents after an id.

    `source` is a name or a glob, as for a search.
    """

    collection: str | None = None
    state: str | None = None
    outdated: bool = False
    incomplete: bool = False
    source: str | None = None
    after: str | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        """Check the state. Raises BadRequest."""
        if self.state is not None and self.state not in STATES:
            raise BadRequest(f"There is no state {self.state}.", f"Take one of: {', '.join(STATES)}.")


def list_documents(services: Services, query: DocumentQuery) -> DocumentList:
    """List documents in the order of their ids. Only the catalog and the files of outdated documents are looked at.

    Raises:
        UnknownId: there is no such collection.
        BadRequest: the query's `after` is no id of a document.
    """
    check_position(query.after)
    where = DocumentFilter(query.collection, query.state, query.outdated, query.incomplete)
    with services.catalog.connect() as connection:
        if query.collection is not None and not collections.exists(connection, query.collection):
            hint = "What there is: docrelay status, or GET /v1/collections"
            raise UnknownId(f"There is no collection {query.collection}.", hint)
        if query.source is not None:
            where = replace(where, literals=literals(query.source))
            where = replace(where, has_source=_matcher(connection, where, query.source))
        rows, after = listing.list_documents(connection, where, query.after, query.limit)
    return DocumentList(documents=[_summary(services, row) for row in rows], next=after)


def check_position(after: str | None) -> None:
    """Check the id of a document after which a page of a list begins; None begins with the first page.

    Raises:
        BadRequest: no list gives such a position.
    """
    if after is not None and not DOCUMENT_ID.fullmatch(after):
        raise BadRequest("No list of documents has given this cursor.", "Take `next` of the page before, as it is.")


def _matcher(connection: Connection, where: DocumentFilter, glob: str) -> Callable[[str], bool]:
    """Which sources a name or pattern means. Only sources with a sign of a pattern can be named by a pattern's text."""
    named = (source for mark in marks(glob)[-1:] for source in listing.list_sources(connection, _with(where, mark)))
    return matcher(named, glob)


def _with(where: DocumentFilter, mark: str) -> DocumentFilter:
    return replace(where, literals=(*where.literals, mark))


def _summary(services: Services, row: Mapping[str, Any]) -> DocumentSummary:
    content = row["content_sha256"]
    has_original = _has_original(services, row["source"], content) if row["outdated"] else None
    fields = {name: value for name, value in row.items() if name != "content_sha256"}
    return DocumentSummary(**fields, has_original=has_original)


def _has_original(services: Services, source: str, content: str) -> bool:
    in_spool = services.spool.exists(original_key(content, source))
    return in_spool or (source.startswith("/") and path_of(source).is_file())
