"""Lists of documents over all jobs: by collection, state, and what is the matter with their live version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, documents, failures, is_incomplete, is_outdated, versions
from pipeline.names import ACTIVE

__all__ = ["DocumentFilter", "count_outdated", "list_documents", "list_sources"]

ROWS_AT_ONCE = 1000
"""Rows that are read at once while sources are compared with a pattern."""

STATE = sa.case(
    (documents.c.deleted_at.is_not(None), "deleted"),
    (attempts.c.state.in_(ACTIVE), attempts.c.state),
    (sa.exists().where(failures.c.document_id == documents.c.id), "failed"),
    (attempts.c.state.is_(None), "failed"),
    else_=attempts.c.state,
)
"""The state of a document, as its status has it."""


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Conditions that all hold together; None and False select any.

    Without `state`, deleted documents are left out. `has_source` decides about the source of a document.
    """

    collection: str | None = None
    state: str | None = None
    outdated: bool = False
    incomplete: bool = False
    has_source: Callable[[str], bool] | None = None


def list_documents(
    connection: Connection, where: DocumentFilter, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """List documents in the order of their ids, with facts of their live version, None where there is none.

    Returns:
        The rows, and the id after which the next page begins; None when this is the last page.
    """
    query = _query(where)
    if after is not None:
        query = query.where(documents.c.id > after)
    rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).mappings()
    chosen = (dict(row) for row in rows if where.has_source is None or where.has_source(row["source"]))
    page = list(islice(chosen, limit + 1))
    rows.close()
    return page[:limit], page[limit - 1]["id"] if len(page) > limit else None


def list_sources(connection: Connection, where: DocumentFilter) -> Iterator[str]:
    """The sources of the documents of the collection, in no order; those of deleted ones if these are listed."""
    query = sa.select(documents.c.source)
    if where.state != "deleted":
        query = query.where(documents.c.deleted_at.is_(None))
    if where.collection is not None:
        query = query.where(documents.c.collection == where.collection)
    return iter(connection.execution_options(yield_per=ROWS_AT_ONCE).scalars(query))


def count_outdated(connection: Connection) -> dict[str, int]:
    """Count the outdated documents of each collection that has any: {collection: number}."""
    rows = connection.execute(
        sa.select(documents.c.collection, sa.func.count())
        .join(versions, versions.c.id == documents.c.live_version_id)
        .where(is_outdated(), documents.c.deleted_at.is_(None))
        .group_by(documents.c.collection)
        .order_by(documents.c.collection)
    )
    return {row[0]: row[1] for row in rows}


def _query(where: DocumentFilter) -> sa.Select[Any]:
    of_document = ("id", "collection", "source", "tags")
    of_version = ("media_type", "title", "size", "chunks", "content_sha256")
    no = sa.literal(False)
    query = (
        sa.select(
            *(documents.c[name] for name in of_document),
            *(versions.c[name] for name in of_version),
            STATE.label("state"),
            sa.case((versions.c.id.is_not(None), is_outdated()), else_=no).label("outdated"),
            sa.case((versions.c.id.is_not(None), is_incomplete()), else_=no).label("incomplete"),
        )
        .select_from(documents)
        .outerjoin(versions, versions.c.id == documents.c.live_version_id)
        .outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
        .order_by(documents.c.id)
    )
    query = query.where(documents.c.deleted_at.is_(None) if where.state is None else STATE.in_([where.state]))
    if where.collection is not None:
        query = query.where(documents.c.collection == where.collection)
    if where.outdated:
        query = query.where(is_outdated())
    return query.where(is_incomplete()) if where.incomplete else query
