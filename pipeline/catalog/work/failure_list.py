"""Lists of open failures: by class, job, collection, source and age, page by page, newest first; their counts; purging.

A class of failures is what has the same code and stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.cursors import Key
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.keyset import Order
from pipeline.catalog.database.schema import failures

__all__ = [
    "ChosenFailure",
    "FailureClass",
    "FailureFilter",
    "count_classes",
    "list_chosen",
    "list_ids",
    "list_page",
    "list_sources",
    "purge",
]

ROWS_AT_ONCE = 1000
"""Rows that are read at once while sources are compared with a pattern."""

NEWEST = Order(failures.c.created_at, failures.c.id, descending=True)
"""Newest first."""

Query = sa.Select[Any]


@dataclass(frozen=True, slots=True)
class FailureFilter:
    """Conditions that all hold together; None selects any.

    `since` and `before` are seconds since 1970. `quarantined`: whether as many attempts as `quarantine_after` were
    fatal. `has_source` decides about the source of a document; sources without one of the texts in `literals` need not
    be asked, unless they have percent signs.
    """

    code: str | None = None
    stage: str | None = None
    job_id: str | None = None
    collection: str | None = None
    since: float | None = None
    before: float | None = None
    transient: bool | None = None
    quarantined: bool | None = None
    quarantine_after: int = 0
    has_source: Callable[[str], bool] | None = None
    literals: tuple[str, ...] = ()


class FailureClass(NamedTuple):
    """How many documents failed with one code in one stage, and how many of them are in quarantine."""

    code: str
    stage: str
    documents: int
    quarantined: int


class ChosenFailure(NamedTuple):
    """What a retry needs to know of a failure."""

    document_id: str
    job_id: str
    collection: str
    source: str
    code: str
    stage: str
    fatal_attempts: int


def list_page(
    connection: Connection, where: FailureFilter, after: Key | None, limit: int
) -> tuple[list[dict[str, Any]], Key | None]:
    """List failures, newest first.

    Returns:
        The rows, and the key after which the next page begins; None when this is the last page.
    """
    query = _rows(where).order_by(*NEWEST.clauses())
    if after is not None:
        query = query.where(NEWEST.after(after))
    if where.has_source is None:
        query = query.limit(limit + 1)
    rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    page = [dict(row) for row in islice(_meant(rows.mappings(), where), limit + 1)]
    rows.close()
    more = len(page) > limit
    last = page[limit - 1] if more else None
    return page[:limit], None if last is None else Key(last["created_at"], last["id"])


def list_chosen(connection: Connection, where: FailureFilter) -> list[ChosenFailure]:
    """The failures that meet the conditions, newest first, with what a retry needs."""
    query = _rows(where, *(failures.c[name] for name in ChosenFailure._fields))
    query = query.order_by(*NEWEST.clauses())
    return [ChosenFailure(**row) for row in _meant(connection.execute(query).mappings(), where)]


def list_ids(connection: Connection, where: FailureFilter, limit: int) -> list[str]:
    """The ids of failures that meet the conditions, in no order; `has_source` is not asked."""
    return list(connection.scalars(_rows(where, failures.c.id).limit(limit)))


def list_sources(connection: Connection, where: FailureFilter) -> Iterator[str]:
    """The sources of the failures, in no order; `has_source` is not asked."""
    return iter(connection.execution_options(yield_per=ROWS_AT_ONCE).scalars(_rows(where, failures.c.source)))


def count_classes(connection: Connection, where: FailureFilter) -> list[FailureClass]:
    """Count the failures of each class, the largest class first."""
    in_quarantine = failures.c.fatal_attempts >= where.quarantine_after
    if where.has_source is None:
        held = sa.func.sum(sa.case((in_quarantine, 1), else_=0))
        query = _rows(where, failures.c.code, failures.c.stage, sa.func.count(), held)
        grouped: Iterable[Any] = connection.execute(query.group_by(failures.c.code, failures.c.stage))
        classes = [FailureClass(code, stage, number, int(inside)) for code, stage, number, inside in grouped]
    else:
        columns = (failures.c.code, failures.c.stage, failures.c.source, in_quarantine.label("quarantined"))
        rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(_rows(where, *columns))
        numbers: Counter[tuple[str, str]] = Counter()
        quarantined: Counter[tuple[str, str]] = Counter()
        for row in _meant(rows.mappings(), where):
            numbers[row["code"], row["stage"]] += 1
            quarantined[row["code"], row["stage"]] += bool(row["quarantined"])
        classes = [FailureClass(*key, number, quarantined[key]) for key, number in numbers.items()]
    return sorted(classes, key=lambda found: (-found.documents, found.code, found.stage))


def purge(connection: Connection, where: FailureFilter) -> int:
    """Delete the failures that meet the conditions.

    Returns:
        How many were deleted.
    """
    if where.has_source is None:
        return connection.execute(failures.delete().where(*_conditions(where))).rowcount
    ids = [chosen.document_id for chosen in list_chosen(connection, where)]
    return sum(
        connection.execute(failures.delete().where(failures.c.document_id.in_(group))).rowcount
        for group in split_list(ids)
    )


def _rows(where: FailureFilter, *columns: sa.ColumnElement[Any]) -> Query:
    query: Query = sa.select(*columns) if columns else sa.select(failures)
    return query.where(*_conditions(where))


def _meant(rows: Any, where: FailureFilter) -> Iterator[Any]:
    """Of rows with their sources, those whose source is meant."""
    return (row for row in rows if where.has_source is None or where.has_source(row["source"]))


def _conditions(where: FailureFilter) -> Sequence[sa.ColumnElement[bool]]:
    columns = (failures.c.code, failures.c.stage, failures.c.job_id, failures.c.collection, failures.c.transient)
    values = (where.code, where.stage, where.job_id, where.collection, where.transient)
    conditions: list[sa.ColumnElement[bool]] = [
        column == value for column, value in zip(columns, values, strict=True) if value is not None
    ]
    if where.since is not None:
        conditions.append(failures.c.created_at >= where.since)
    if where.before is not None:
        conditions.append(failures.c.created_at < where.before)
    if where.quarantined is not None:
        is_over = failures.c.fatal_attempts >= where.quarantine_after
        conditions.append(is_over if where.quarantined else ~is_over)
    return [*conditions, *_has_literals(where.literals)]


def _has_literals(literals: Sequence[str]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that a source has all these texts, in capital or small letters, or a percent sign."""
    for literal in literals:
        has_it = failures.c.source.contains(literal, autoescape=True)
        yield sa.or_(has_it, failures.c.source.contains("%", autoescape=True))
