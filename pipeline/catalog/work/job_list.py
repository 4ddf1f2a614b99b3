"""Lists of jobs: by how they go or went, where their documents belong, and when they were submitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database import keyset
from pipeline.catalog.database.cursors import Key
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.keyset import Listing, Order
from pipeline.catalog.database.schema import jobs, submissions
from pipeline.catalog.work.jobs import count_outcomes
from pipeline.results import JobState

__all__ = ["STATES", "JobFilter", "list_jobs"]

STATES: tuple[JobState, ...] = get_args(JobState)
UNFINISHED = ("taking_in", "running")

Conditions = list[sa.ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Conditions that all hold together; None selects any.

    `since` and `before` are seconds since 1970, of the time when the job was submitted. `code`: a document failed with
    it in this job.
    """

    state: JobState | None = None
    collection: str | None = None
    workflow: str | None = None
    code: str | None = None
    since: float | None = None
    before: float | None = None


def list_jobs(
    connection: Connection, where: JobFilter, after: Key | None, limit: int, *, descending: bool = True
) -> tuple[list[dict[str, Any]], Key | None]:
    """List jobs in the order in which they were submitted, with the counts of their documents.

    Returns:
        At most `limit` rows, and the key after which the next page begins; None when this is the last page. A page
        that is not the last one may have fewer rows: see `keyset`.
    """
    order, equal = Order(jobs.c.created_at, jobs.c.id, descending), _equal(where)
    rows, index = sa.select(order.value.label("value"), order.id.label("id")), None
    few = keyset.few_ids(connection, _choices(where))
    if few is None:
        # One condition is looked up in an index that has the order; by the others, rows are left out.
        rows = rows.where(*(column == value for column, value in equal[:1]))
        index = rows.where(*order.during(where.since, where.before, after))
        equal = equal[1:]
    else:
        rows = rows.where(jobs.c.id.in_(few))
    listing = Listing(rows.where(*_left(where, equal)), order, index)
    page, following = keyset.read_page(connection, listing, after, limit)
    return _facts(connection, [key.id for key in page]), following


def _equal(where: JobFilter) -> list[tuple[sa.ColumnElement[Any], Any]]:
    """Columns that have an index each, and the values that they must have."""
    outcome = None if where.state in UNFINISHED else where.state
    asked = ((jobs.c.outcome, outcome), (jobs.c.collection, where.collection), (jobs.c.workflow, where.workflow))
    has_state = where.state is not None
    return [(column, value) for column, value in asked if value is not None or (column is jobs.c.outcome and has_state)]


def _left(where: JobFilter, equal: Sequence[tuple[sa.ColumnElement[Any], Any]]) -> Conditions:
    """Conditions that leave rows out: on these columns, and those of the filter that no index has."""
    found: Conditions = [
        keyset.unindexed(column) == value if value is not None else keyset.unindexed(column).is_(None)
        for column, value in equal
    ]
    at = Order(keyset.unindexed(jobs.c.created_at), jobs.c.id)
    found += at.during(where.since, where.before)
    if where.state in UNFINISHED:
        found.append(jobs.c.intake_done if where.state == "running" else ~jobs.c.intake_done)
    if where.code is not None:
        found.append(sa.exists().where(submissions.c.code == where.code, submissions.c.job_id == jobs.c.id))
    return found


def _choices(where: JobFilter) -> Iterator[keyset.Ids]:
    """For each condition that an index has: ids of all jobs that may meet it."""
    for column, value in _equal(where):
        yield sa.select(jobs.c.id).where(column == value)
    if where.code is not None:
        yield sa.select(submissions.c.job_id).where(submissions.c.code == where.code).distinct()


def _facts(connection: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of jobs in this order, with `counts`: {outcome: documents}, None for those without an outcome yet."""
    names = ("id", "collection", "workflow", "priority", "created_at", "finished_at", "intake_done", "outcome")
    columns = [jobs.c[name] for name in (*names, "outcomes")]
    found: dict[str, dict[str, Any]] = {}
    for group in split_list(ids):
        rows = connection.execute(sa.select(*columns).where(jobs.c.id.in_(group))).mappings()
        found |= {row["id"]: dict(row) for row in rows}
    # What has ended was counted then, however many documents it had.
    counts: Mapping[str, Any] = count_outcomes(connection, [name for name in ids if found[name]["outcome"] is None])
    for job_id, row in found.items():
        ended = row.pop("outcomes")
        row["counts"] = counts.get(job_id, {}) if row["outcome"] is None else ended or {}
    return [found[job_id] for job_id in ids]
