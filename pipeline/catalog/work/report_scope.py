"""What a report is about: the documents of a job, or those that ended within a span of time."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.catalog.database.schema import attempts, submissions
from pipeline.catalog.work.daily_metrics import is_reindex

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """A job with the time from its creation to its end, or a span without a job; seconds since 1970, `until` excluded.

    A span has what ended in it; documents of a re-index, which ingests nothing new, are left out as in a day's numbers.
    """

    since: float
    until: float
    job_id: str | None = None

    @property
    def attempts(self) -> sa.FromClause:
        """The tables of the conditions of `attempts_in`.

        Those of a job go by its submissions: what was being ingested already when the job came is an attempt of another
        job, and goes on for that one when this one is cancelled.
        """
        if self.job_id is None:
            return attempts
        return submissions.join(attempts, attempts.c.id == submissions.c.attempt_id)

    def attempts_in(self, *states: str) -> list[sa.ColumnElement[bool]]:
        """The condition that an attempt is of the report and ended in one of these states."""
        in_state = attempts.c.state.in_(states)
        if self.job_id is not None:
            return [in_state, self.submitted(), submissions.c.outcome.in_(states), attempts.c.finished_at.is_not(None)]
        ended = (attempts.c.finished_at >= self.since, attempts.c.finished_at < self.until)
        return [in_state, *ended, ~is_reindex(attempts.c.job_id)]

    def submitted(self) -> sa.ColumnElement[bool]:
        """The condition that a submission is of the job."""
        return submissions.c.job_id == self.job_id
