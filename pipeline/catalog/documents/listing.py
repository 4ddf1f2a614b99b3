"""Lists of documents over all jobs: by collection, state, and what is the matter with their live version.

A page is found first, by the tables of which few columns are read, and then its rows are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
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

FEW = 2000
"""If no more documents may have a name, they are all read at once; of more, a page is soon full."""


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Conditions that all hold together; None and False select any.

    Without `state`, deleted documents are left out. `has_source` decides about the source of a document; sources
    without one of the texts in `literals` need not be asked, unless they have percent signs.
    """

    collection: str | None = None
    state: str | None = None
    outdated: bool = False
    incomplete: bool = False
    has_source: Callable[[str], bool] | None = None
    literals: tuple[str, ...] = ()


def list_documents(
    connection: Connection, where: DocumentFilter, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """List documents in the order of their ids, with facts of their live version, None where there is none.

    Returns:
        The rows, and the id after which the next page begins; None when this is the last page.
    """
    page = _page(connection, where, after, limit + 1)
    found = [dict(row) for ids in split_list(page[:limit]) for row in connection.execute(_facts(ids)).mappings()]
    return sorted(found, key=lambda row: str(row["id"])), page[limit - 1] if len(page) > limit else None


def _page(connection: Connection, where: DocumentFilter, after: str | None, limit: int) -> list[str]:
    """The ids of the first documents after an id."""
    query = _ids(where)
    if where.literals and where.has_source is not None:
        # Without an order, an index with the sources is read; in the order of the ids, row by row of the table.
        few = connection.execute(query.limit(FEW + 1)).all()
        if len(few) <= FEW:
            ids = sorted(row.id for row in few if where.has_source(row.source))
            return [found for found in ids if after is None or found > after][:limit]
    key = documents.c.id if where.state in (None, "deleted", "failed") else attempts.c.document_id
    query = query.order_by(key)
    if after is not None:
        query = query.where(key > after)
    if where.has_source is None:
        query = query.limit(limit)
    rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    page = list(islice((row.id for row in rows if where.has_source is None or where.has_source(row.source)), limit))
    rows.close()
    return page


def list_sources(connection: Connection, where: DocumentFilter) -> Iterator[str]:
    """The sources of the documents of the collection, in no order; those of deleted ones if these are listed.

    Only sources with all `literals` are listed, and those with percent signs.
    """
    query = sa.select(documents.c.source).where(*_has_literals(where.literals))
    if where.state != "deleted":
        query = query.where(documents.c.deleted_at.is_(None))
    if where.collection is not None:
        query = query.where(documents.c.collection == where.collection)
    return iter(connection.execution_options(yield_per=ROWS_AT_ONCE).scalars(query))


def count_outdated(connection: Connection) -> dict[str, int]:
    """Count the outdated documents of each collection that has any: {collection: number}."""
    rows = connection.execute(
        sa.select(documents.c.collection, sa.func.count())
        .where(documents.c.live_version_id.in_(_versions(is_outdated())), documents.c.deleted_at.is_(None))
        .group_by(documents.c.collection)
        .order_by(documents.c.collection)
    )
    return {row[0]: row[1] for row in rows}


def _ids(where: DocumentFilter) -> sa.Select[Any]:
    """Ids and sources of the documents that meet the conditions."""
    query: sa.Select[Any] = sa.select(documents.c.id, documents.c.source).where(*_has_literals(where.literals))
    query = query.where(documents.c.deleted_at.is_(None)) if where.state is None else _in_state(query, where.state)
    if where.collection is not None:
        query = query.where(documents.c.collection == where.collection)
    if where.outdated:
        query = query.where(documents.c.live_version_id.in_(_versions(is_outdated())))
    return query.where(documents.c.live_version_id.in_(_versions(is_incomplete()))) if where.incomplete else query


def _in_state(query: sa.Select[Any], state: str) -> sa.Select[Any]:
    if state == "deleted":
        return query.where(documents.c.deleted_at.is_not(None))
    if state == "failed":
        query = query.outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
        return query.where(STATE.in_([state]), documents.c.id.in_(_may_have_failed()))
    # An index has the documents of a state in the order of their ids: a page needs no other document, however many
    # there are.
    is_current = (attempts.c.document_id == documents.c.id) & (attempts.c.id == documents.c.attempt_id)
    return query.join(attempts, is_current).where(attempts.c.state == state, STATE.in_([state]))


def _may_have_failed() -> sa.CompoundSelect[Any]:
    """Ids of all documents that may have failed, which not all of them have."""
    by_attempt: sa.Select[Any] = sa.select(attempts.c.document_id).where(attempts.c.state == "failed")
    refused = sa.select(documents.c.id).where(documents.c.attempt_id.is_(None), documents.c.deleted_at.is_(None))
    return by_attempt.union(sa.select(failures.c.document_id), refused)


def _versions(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(versions.c.id).where(condition)


def _has_literals(literals: Sequence[str]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that a source has all these texts, in capital or small letters, or a percent sign."""
    for literal in literals:
        has_it = documents.c.source.contains(literal, autoescape=True)
        yield sa.or_(has_it, documents.c.source.contains("%", autoescape=True))


def _facts(ids: Sequence[str]) -> sa.Select[Any]:
    of_document = ("id", "collection", "source", "tags")
    of_version = ("media_type", "title", "size", "chunks", "content_sha256")
    no = sa.literal(False)
    return (
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
        .where(documents.c.id.in_(ids))
    )
