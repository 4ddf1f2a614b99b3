"""Lists of documents over all jobs: by what they are, where they came from, and what is the matter with them.

A page is found first, by the tables of which few columns are read, and then its rows are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database import keyset
from pipeline.catalog.database.cursors import Key
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.keyset import Listing, Order
from pipeline.catalog.database.schema import attempts, documents, failures, is_incomplete, is_outdated, versions
from pipeline.catalog.documents.list_conditions import (
    STATE,
    Conditions,
    DocumentFilter,
    choices,
    conditions,
    has_literals,
    may_be,
)
from pipeline.names import ACTIVE, STATES

__all__ = ["SORTS", "Sort", "count_outdated", "few_sources", "list_documents", "list_sources"]

ROWS_AT_ONCE = 1000
"""Rows that are read at once while sources are compared with a pattern."""

SORTS = {
    "id": documents.c.id,
    "source": documents.c.source,
    "time": documents.c.created_at,
    "size": documents.c.size,
}
"""Orders that an index has; by state the lists of the states follow each other."""

BEFORE_ALL = {False: str(UUID(int=0)), True: str(UUID(int=2**128 - 1))}
"""An id before all others of a list, by whether it is descending."""

RANK = sa.case({state: rank for rank, state in enumerate(STATES)}, value=STATE)
"""The place of a document's state among all states."""


@dataclass(frozen=True, slots=True)
class Sort:
    """The order of a list: `id`, `source`, `time`, `size` or `state`."""

    by: str = "id"
    descending: bool = False


def list_documents(
    connection: Connection, where: DocumentFilter, sort: Sort, after: Key | None, limit: int
) -> tuple[list[dict[str, Any]], Key | None]:
    """List documents with facts of their live version, None where there is none.

    Returns:
        At most `limit` rows, and the key after which the next page begins; None when this is the last page. A page
        that is not the last one may have fewer rows: see `keyset`.
    """
    page, following = _page(connection, where, sort, after, limit)
    ids = [key.id for key in page]
    rows = (row for group in split_list(ids) for row in connection.execute(_facts(group)).mappings())
    facts = {row["id"]: dict(row) for row in rows}
    return [facts[document_id] for document_id in ids], following


def few_sources(connection: Connection, where: DocumentFilter) -> dict[str, str] | None:
    """The documents of the collection whose sources have all `literals` or percent signs: {document id: source}.

    Those that are deleted are among them if these are listed. None: they are more than a page may look at.
    """
    ids = connection.scalars(_with_literals(where).limit(keyset.FEW + 1)).all()
    if len(ids) > keyset.FEW:
        return None
    query = sa.select(documents.c.id, documents.c.source).where(documents.c.id.in_(ids), *_there(where))
    return {row.id: row.source for row in connection.execute(query)}


def list_sources(connection: Connection, where: DocumentFilter) -> Iterator[str]:
    """The same sources, however many; in no order."""
    ids = _with_literals(where)
    query = sa.select(documents.c.source).where(documents.c.id.in_(ids), *_there(where))
    return iter(connection.execution_options(yield_per=ROWS_AT_ONCE).scalars(query))


def _with_literals(where: DocumentFilter) -> sa.Select[Any]:
    """Ids of the documents with the literals. Only an index is read for it, and no row."""
    return sa.select(documents.c.id).where(*has_literals(where.literals))


def _there(where: DocumentFilter) -> Conditions:
    return conditions(DocumentFilter(where.collection, "deleted" if where.state == "deleted" else None))


def count_outdated(connection: Connection) -> dict[str, int]:
    """Count the outdated documents of each collection that has any: {collection: number}."""
    rows = connection.execute(
        sa.select(documents.c.collection, sa.func.count())
        .where(documents.c.live_version_id.in_(sa.select(versions.c.id).where(is_outdated())))
        .where(documents.c.deleted_at.is_(None))
        .group_by(documents.c.collection)
        .order_by(documents.c.collection)
    )
    return {row[0]: row[1] for row in rows}


def _page(
    connection: Connection, where: DocumentFilter, sort: Sort, after: Key | None, limit: int
) -> tuple[list[Key], Key | None]:
    """Keys of the first documents after a key."""
    few = list(where.ids) if where.ids is not None else keyset.few_ids(connection, choices(where))
    return _page_of(connection, where, sort, after, limit, few)


def _page_of(
    connection: Connection, where: DocumentFilter, sort: Sort, after: Key | None, limit: int, few: list[str] | None
) -> tuple[list[Key], Key | None]:
    """The same; `few` are all documents that may meet the conditions, None if these are many."""
    if few is None:
        return (_by_state if sort.by == "state" else _by_index)(connection, where, sort, after, limit)
    if not few:
        return [], None
    order = Order(SORTS.get(sort.by, RANK), documents.c.id, sort.descending)
    listing = Listing(_rows(where, order, sort).where(documents.c.id.in_(few)), order, accepts=_accepts(where))
    begin = Key(STATES.index(after.value), after.id) if after is not None and sort.by == "state" else after
    page, following = keyset.read_page(connection, listing, begin, limit)
    if following is not None and sort.by == "state":
        following = Key(STATES[following.value], following.id)
    return page, following


def _by_state(
    connection: Connection, where: DocumentFilter, sort: Sort, after: Key | None, limit: int
) -> tuple[list[Key], Key | None]:
    """The list of each state by ids, one after the other; the value of a key is the state."""
    states = [where.state] if where.state else [state for state in STATES if state != "deleted"]
    states = states[::-1] if sort.descending else states
    page: list[Key] = []
    looked_at = 0
    for state in states[states.index(after.value) if after is not None and after.value in states else 0 :]:
        looked_at += keyset.count_ids(connection, may_be(state))
        if looked_at > keyset.EXAMINED and state != (after.value if after is not None else states[0]):
            return page, Key(state, BEFORE_ALL[sort.descending])
        begin = Key(after.id, after.id) if after is not None and state == after.value else None
        of_state, by_id = replace(where, state=state), Sort("id", sort.descending)
        few = keyset.few_ids(connection, [may_be(state)])  # by the other conditions they are many
        found, following = _page_of(connection, of_state, by_id, begin, limit - len(page), few)
        page += found
        last = following or (found[-1] if len(page) == limit and state != states[-1] else None)
        if last is not None:
            return page, Key(state, last.id)
    return page, None


def _by_index(
    connection: Connection, where: DocumentFilter, sort: Sort, after: Key | None, limit: int
) -> tuple[list[Key], Key | None]:
    """The list in an order that an index has."""
    if sort.by == "id" and where.state in (*ACTIVE, "completed", "cancelled"):
        return keyset.read_page(connection, _of_state(where, sort), after, limit)
    order, looked_up = Order(SORTS[sort.by], documents.c.id, sort.descending), _looked_up(where, sort)
    index = sa.select(order.value.label("value"), order.id.label("id")).where(*looked_up)
    if sort.by == "time":
        index = index.where(*order.during(where.since, where.before, after))
    rows = _rows(where, order, sort).where(*looked_up)
    return keyset.read_page(connection, Listing(rows, order, index, _accepts(where)), after, limit)


def _of_state(where: DocumentFilter, sort: Sort) -> Listing:
    """The list of a state that attempts have: an index has its documents in the order of their ids."""
    order = Order(attempts.c.document_id, attempts.c.document_id, sort.descending)
    key = (order.value.label("value"), order.id.label("id"))
    is_current = (attempts.c.document_id == documents.c.id) & (attempts.c.id == documents.c.attempt_id)
    index = sa.select(*key).where(attempts.c.state == where.state)
    rows = index.add_columns(documents.c.source).join(documents, is_current).where(*conditions(where))
    return Listing(rows, order, index, _accepts(where))


def _rows(where: DocumentFilter, order: Order, sort: Sort) -> sa.Select[Any]:
    """The documents that meet the conditions."""
    query = sa.select(order.value.label("value"), documents.c.id, documents.c.source).where(*conditions(where))
    if where.state in (None, "deleted") and sort.by != "state":
        return query
    return query.outerjoin(attempts, attempts.c.id == documents.c.attempt_id)


def _accepts(where: DocumentFilter) -> Callable[[Any], bool] | None:
    is_meant = where.has_source
    return None if is_meant is None else lambda row: is_meant(row.source)


def _looked_up(where: DocumentFilter, sort: Sort) -> Conditions:
    """The conditions by which the index of an order begins."""
    if where.collection is None or (sort.by == "source" and where.state == "deleted"):
        return []
    in_collection = documents.c.collection == where.collection
    return [in_collection, documents.c.deleted_at.is_(None)] if sort.by == "source" else [in_collection]


def _facts(ids: Sequence[str]) -> sa.Select[Any]:
    of_document = ("id", "collection", "source", "tags", "created_at")
    of_version = ("media_type", "title", "size", "chunks", "content_sha256")
    no = sa.literal(False)
    code = sa.select(failures.c.code).where(failures.c.document_id == documents.c.id).limit(1).scalar_subquery()
    return (
        sa.select(
            *(documents.c[name] for name in of_document),
            *(versions.c[name] for name in of_version),
            STATE.label("state"),
            code.label("code"),
            sa.case((versions.c.id.is_not(None), is_outdated()), else_=no).label("outdated"),
            sa.case((versions.c.id.is_not(None), is_incomplete()), else_=no).label("incomplete"),
        )
        .select_from(documents)
        .outerjoin(versions, versions.c.id == documents.c.live_version_id)
        .outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
        .where(documents.c.id.in_(ids))
    )
