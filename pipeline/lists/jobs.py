"""Lists of jobs, page by page: for `docrelay jobs` and `GET /v1/jobs`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pipeline.catalog.database.cursors import cursor_of, key_of
from pipeline.catalog.work import job_list
from pipeline.catalog.work.job_list import STATES, JobFilter
from pipeline.errors import BadRequest
from pipeline.lists.sorting import sort_of
from pipeline.moments import moment_of
from pipeline.results import JobList, JobState, JobSummary, iso
from pipeline.services import Services

__all__ = ["ORDERS", "JobQuery", "list_jobs"]

ORDERS = ("time",)
"""What a list can be sorted by: when a job was submitted."""

OUTCOMES = ("completed", "unchanged", "failed", "cancelled", "deleted")


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs are listed, all conditions together; in which order; and which page.

    `code`: a document failed with it in the job. `since` and `before` are about the time when a job was submitted:
    times in ISO 8601, or durations before now such as `2h` or `3d`. `sort` is `time`, or `-time` from the newest on. A
    page has the `limit` jobs after the cursor `after` at most.
    """

    state: str | None = None
    collection: str | None = None
    workflow: str | None = None
    code: str | None = None
    since: str | None = None
    before: str | None = None
    sort: str = "-time"
    after: str | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        """Check the state and the order. Raises BadRequest."""
        if self.state is not None and self.state not in STATES:
            raise BadRequest(f"No job is in a state {self.state}.", f"Take one of: {', '.join(STATES)}.")
        sort_of(self.sort, ORDERS)


def list_jobs(services: Services, query: JobQuery) -> JobList:
    """List jobs, page by page.

    A page that is not the last one may have fewer jobs than `limit`, even none, where it took many to find those that
    meet the conditions.

    Raises:
        BadRequest: the query's `after` is no cursor of such a list, or a time of it is none.
    """
    order, descending = sort_of(query.sort, ORDERS)
    after, now = key_of(order, query.after), time.time()
    where = JobFilter(
        cast(JobState | None, query.state),
        query.collection,
        query.workflow,
        query.code,
        moment_of(query.since, now),
        moment_of(query.before, now),
    )
    with services.catalog.connect() as connection:
        rows, following = job_list.list_jobs(connection, where, after, query.limit, descending=descending)
    return JobList(jobs=[_summary(row) for row in rows], next=cursor_of(order, following))


def _summary(row: Mapping[str, Any]) -> JobSummary:
    counts = row["counts"]
    return JobSummary(
        id=row["id"],
        state=row["outcome"] or ("running" if row["intake_done"] else "taking_in"),
        collection=row["collection"],
        workflow=row["workflow"],
        priority=row["priority"],
        created_at=iso(row["created_at"]),
        finished_at=iso(row["finished_at"]),
        documents=sum(counts.values()),
        **{name: counts.get(name, 0) for name in OUTCOMES},
    )
