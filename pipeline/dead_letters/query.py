"""Which failures are meant: for the commands below `docrelay failures` and the addresses below `/v1/failures`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from pipeline.catalog import Connection
from pipeline.catalog.work import failure_list, jobs
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.errors import UnknownId
from pipeline.moments import moment_of
from pipeline.source_names import literals, marks, matcher

__all__ = ["FailureQuery", "filter_of"]


@dataclass(frozen=True, slots=True)
class FailureQuery:
    """Conditions that all hold together; None means any.

    `source` is a name or a glob, as for a search. `since` and `before` are times in ISO 8601, or durations before now
    such as `2h` or `3d`. `quarantined`: only documents in quarantine, or only others.
    """

    code: str | None = None
    stage: str | None = None
    job_id: str | None = None
    collection: str | None = None
    source: str | None = None
    since: str | None = None
    before: str | None = None
    transient: bool | None = None
    quarantined: bool | None = None


def filter_of(connection: Connection, query: FailureQuery, quarantine_after: int) -> FailureFilter:
    """The conditions of a query as the catalog takes them.

    Raises:
        UnknownId: there is no such job.
        BadRequest: `since` or `before` is no time.
    """
    if query.job_id is not None and not jobs.exists(connection, query.job_id):
        raise UnknownId(f"There is no job {query.job_id}.")
    now = time.time()
    where = FailureFilter(
        code=query.code,
        stage=query.stage,
        job_id=query.job_id,
        collection=query.collection,
        since=moment_of(query.since, now),
        before=moment_of(query.before, now),
        transient=query.transient,
        quarantined=query.quarantined,
        quarantine_after=quarantine_after,
    )
    if query.source is None:
        return where
    where = replace(where, literals=literals(query.source))
    # Only sources with a sign of a pattern can be named by a pattern's text.
    named = (
        source
        for mark in marks(query.source)[-1:]
        for source in failure_list.list_sources(connection, replace(where, literals=(*where.literals, mark)))
    )
    return replace(where, has_source=matcher(named, query.source))
