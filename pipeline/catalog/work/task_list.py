"""Tasks of all jobs as lists show them, newest first; one task with its documents and errors; counts of tasks."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.cursors import Key
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.keyset import Order
from pipeline.catalog.database.schema import attempt_errors, attempts, tasks
from pipeline.errors import UnknownId

__all__ = [
    "COUNTERS",
    "OPEN",
    "STATES",
    "TaskFilter",
    "count_ended",
    "count_open",
    "count_published",
    "documents_of",
    "errors_of",
    "fix_moment",
    "is_of_task",
    "iterate",
    "key_of_row",
    "list_among",
    "published_at",
    "row_of",
]

OPEN = ("held", "due", "running")
STATES = (*OPEN, "done")
"""States of the ledger."""

COUNTERS = ("pages_done", "chunks_total", "chunks_embedded", "chunks_upserted")
"""Columns of attempts that say how far they are."""

NEWEST = Order(tasks.c.published_at, tasks.c.id, descending=True)
"""Newest first."""

LISTED = tuple(column for column in tasks.c if column.name != "detail")


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Conditions that all hold together; `states` are those of the ledger."""

    stage: str | None = None
    job_id: str | None = None
    states: Sequence[str] = STATES


def fix_moment(connection: Connection) -> None:
    """Let all that is read through the connection from now on be of this moment."""
    connection.execute(sa.select(tasks.c.id).limit(1))


def iterate(connection: Connection, where: TaskFilter, after: Key | None, at_once: int) -> Iterator[Mapping[Any, Any]]:
    """Rows of the tasks that meet the conditions, newest first, read from an index as far as they are consumed.

    Args:
        connection: the catalog.
        where: the conditions.
        after: rows after this key; None for all.
        at_once: rows of one state that are read at once.
    """
    # Sorted within each state by an index: over several states the whole list would have to be sorted.
    streams = [_of_state(connection, where, state, after, at_once) for state in where.states]
    return heapq.merge(*streams, key=key_of_row, reverse=True)


def list_among(connection: Connection, where: TaskFilter, ids: Collection[str]) -> list[Mapping[Any, Any]]:
    """Rows of those of these tasks that meet the conditions, newest first."""
    found: list[Mapping[Any, Any]] = []
    for group in split_list(ids):
        query = sa.select(*LISTED).where(tasks.c.id.in_(group), tasks.c.state.in_(where.states), *_conditions(where))
        found += connection.execute(query).mappings()
    return sorted(found, key=key_of_row, reverse=True)


def row_of(connection: Connection, task_id: str) -> Mapping[Any, Any]:
    """The row of a task with its detail. Raises UnknownId."""
    row = connection.execute(sa.select(tasks).where(tasks.c.id == task_id)).mappings().one_or_none()
    if row is None:
        raise UnknownId(f"There is no task {task_id}.")
    return row


def documents_of(connection: Connection, task: Mapping[Any, Any]) -> Sequence[Mapping[Any, Any]]:
    """Attempts of a task: id, document_id, state and counters, in the order of their ids."""
    query = sa.select(attempts.c.id, attempts.c.document_id, attempts.c.state, *(attempts.c[name] for name in COUNTERS))
    return connection.execute(query.where(*is_of_task(task)).order_by(attempts.c.id)).mappings().all()


def errors_of(connection: Connection, task: Mapping[Any, Any]) -> Sequence[Mapping[Any, Any]]:
    """The errors of a task that are kept, oldest first: one row for each of its documents."""
    of_task = sa.select(attempts.c.id).where(*is_of_task(task))
    documents = sa.select(attempts.c.document_id).where(*is_of_task(task))
    query = sa.select(attempt_errors).where(
        attempt_errors.c.document_id.in_(documents),
        attempt_errors.c.attempt_id.in_(of_task),
        attempt_errors.c.stage == task["stage"],
        attempt_errors.c.part == task["part"],
    )
    return connection.execute(query.order_by(attempt_errors.c.id)).mappings().all()


def is_of_task(task: Mapping[Any, Any]) -> list[sa.ColumnElement[bool]]:
    """Conditions that an attempt is one of a task: of its batch, or of the part that the task has."""
    conditions = [attempts.c.batch_id == task["batch_id"]]
    named = (task["detail"] or {}).get("attempts")
    return conditions if named is None else [*conditions, attempts.c.id.in_(named)]


def published_at(connection: Connection, task_ids: Iterable[str]) -> dict[str, float]:
    """When each of these tasks was published last, in seconds since 1970; unknown ones are left out."""
    times: dict[str, float] = {}
    for group in split_list(task_ids):
        rows = connection.execute(sa.select(tasks.c.id, tasks.c.published_at).where(tasks.c.id.in_(group)))
        times |= {row.id: row.published_at for row in rows}
    return times


def count_open(connection: Connection) -> dict[str, dict[str, int]]:
    """Count the tasks that are not done: {stage: {state of the ledger: number}}."""
    query = sa.select(tasks.c.stage, tasks.c.state, sa.func.count()).where(tasks.c.state.in_(OPEN))
    numbers: dict[str, dict[str, int]] = {}
    for stage, state, number in connection.execute(query.group_by(tasks.c.stage, tasks.c.state)):
        numbers.setdefault(stage, {})[state] = number
    return numbers


def count_published(connection: Connection, since: float) -> dict[str, int]:
    """Count the tasks of each stage that were last published since this time."""
    query = sa.select(tasks.c.stage, sa.func.count()).where(tasks.c.state.in_(STATES), tasks.c.published_at >= since)
    return {row[0]: row[1] for row in connection.execute(query.group_by(tasks.c.stage))}


def count_ended(connection: Connection, since: float) -> dict[str, int]:
    """Count the tasks of each stage that have ended since this time."""
    # Grouped by the stage itself, the index of the stages would be read from its beginning to its end.
    stage = sa.func.coalesce(tasks.c.stage, "")
    query = sa.select(stage, sa.func.count()).where(tasks.c.finished_at >= since).group_by(stage)
    return {row[0]: row[1] for row in connection.execute(query)}


def _of_state(
    connection: Connection, where: TaskFilter, state: str, after: Key | None, at_once: int
) -> Iterator[Mapping[Any, Any]]:
    query = sa.select(*LISTED).where(tasks.c.state == state, *_conditions(where))
    query = query.order_by(*NEWEST.clauses()).limit(at_once)
    while True:
        behind = [] if after is None else [NEWEST.after(after)]
        rows = connection.execute(query.where(*behind)).mappings().all()
        yield from rows
        if len(rows) < at_once:
            return
        after = key_of_row(rows[-1])


def _conditions(where: TaskFilter) -> list[sa.ColumnElement[bool]]:
    wanted = ((tasks.c.stage, where.stage), (tasks.c.job_id, where.job_id))
    return [column == value for column, value in wanted if value is not None]


def key_of_row(row: Mapping[Any, Any]) -> Key:
    """The place of a task in the list."""
    return Key(row["published_at"], row["id"])
