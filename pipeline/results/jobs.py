"""Results about jobs: status, progress by stage, and the report of an ingest."""

from __future__ import annotations

from typing import Any, Literal, Self

from pipeline.results.base import Count, Result

__all__ = ["IngestReport", "JobList", "JobState", "JobStatus", "JobSummary", "Stages"]

JobState = Literal["taking_in", "running", "completed", "partial", "failed", "cancelled"]


class Stages(Result):
    """Work of a job by stage."""

    pages: Count
    chunks_embedded: Count
    points: Count
    batches: Count
    chunks_cached: int


class JobStatus(Result):
    """A job. `failed` means that it ended and all of its documents failed, `partial` that some of them did.

    `incomplete` counts those of its completed documents of which a part could not be read, `pages_failed` the pages of
    its completed documents that could not be read. `outdated` counts unchanged documents that an earlier version of
    Docrelay read. `fraction` is what is done of the work, also of a job that was cancelled.
    """

    id: str
    state: JobState
    collection: str
    workflow: str
    priority: int
    ocr: str | None = None
    created_at: str | None
    finished_at: str | None
    seconds: float
    documents: int
    completed: int
    unchanged: int
    failed: int
    cancelled: int
    deleted: int
    active: dict[str, int]
    chunks: int
    pages_failed: int
    incomplete: int = 0
    outdated: int = 0
    stages: Stages
    fraction: float
    documents_per_s: float | None
    eta_s: float | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.finished_at is not None


class JobSummary(Result):
    """A job in a list, with its documents by outcome; those that are not counted there are under way."""

    id: str
    state: JobState
    collection: str
    workflow: str
    priority: int
    created_at: str | None
    finished_at: str | None
    documents: int
    completed: int
    unchanged: int
    failed: int
    cancelled: int
    deleted: int


class JobList(Result):
    """One page of a list of jobs; `next` is where the following page begins, None at the end."""

    jobs: list[JobSummary]
    next: str | None


class IngestReport(Result):
    """What became of an ingest, as `docrelay ingest --json` prints it. `failures`: source, code, message, hint."""

    job: str
    state: JobState
    collection: str
    documents: int
    completed: int
    unchanged: int
    failed: int
    cancelled: int
    chunks: int
    pages_failed: int
    incomplete: int
    outdated: int
    embedded: int
    cached: int
    seconds: float
    failures: list[dict[str, Any]]

    @classmethod
    def of(cls, status: JobStatus, failures: list[dict[str, Any]], seconds: float) -> Self:
        """The report of a job: its status, its failures, and how long it took."""
        same = ("state", "collection", "documents", "completed", "unchanged", "failed", "cancelled", "chunks")
        return cls(
            job=status.id,
            **{name: getattr(status, name) for name in (*same, "pages_failed", "incomplete", "outdated")},
            embedded=status.stages.chunks_embedded.done - status.stages.chunks_cached,
            cached=status.stages.chunks_cached,
            seconds=round(seconds, 3),
            failures=failures,
        )
