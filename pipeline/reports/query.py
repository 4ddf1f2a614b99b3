"""What a report is asked for: a job, or a span of time."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import BadRequest
from pipeline.moments import moment_of

__all__ = ["ReportQuery"]

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """A job, by its id or how it begins, or without one a span of time.

    `since` and `until` are times in ISO 8601 or durations before now such as `2h` or `3d`; without `since` the span is
    the day before `until`, without `until` it goes to now.
    """

    job_id: str | None = None
    since: str | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        """Check that it is one of both. Raises BadRequest."""
        if self.job_id is not None and (self.since is not None or self.until is not None):
            raise BadRequest("A report is about a job or about a span of time.", "Leave out the job, or the times.")

    def span(self, now: float) -> tuple[float, float]:
        """Beginning and end of the span, in seconds since 1970; it does not go beyond now.

        Raises:
            BadRequest: a time cannot be read, or the span ends before it begins.
        """
        until, since = moment_of(self.until, now), moment_of(self.since, now)
        until = now if until is None else until
        since = until - DAY_S if since is None else since
        if since >= until:
            raise BadRequest("The span ends before it begins.", "Write `since` before `until`, which may be left out.")
        return min(max(since, 0.0), now), min(max(until, 0.0), now)
