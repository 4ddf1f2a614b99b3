"""What `TaskManager`, search and deletion answer: typed, JSON-ready. Times are ISO 8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from pipeline.types import Mode

__all__ = [
    "ActiveTask",
    "Count",
    "Deleted",
    "DocumentStatus",
    "FailureRecord",
    "Hit",
    "IngestReport",
    "JobStatus",
    "QueueStatistics",
    "ReindexPlan",
    "ReindexStatus",
    "SearchResult",
    "Stages",
    "Step",
    "SystemStatus",
    "TaskStatus",
    "WatchedFolder",
    "WorkerStatus",
    "iso",
]

JobState = Literal["taking_in", "running", "completed", "failed", "cancelled"]
Activity = Literal["waiting", "queued", "working", "retrying", "recovering", "ended"]


def iso(seconds: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class Result(BaseModel):
    """Base of all answers: frozen plain data."""

    model_config = ConfigDict(frozen=True)


class Count(Result):
    """Done of what is known so far; `total` grows while earlier stages find more."""

    done: int
    total: int


class Stages(Result):
    """Work of a job by stage."""

    pages: Count
    chunks_embedded: Count
    points: Count
    batches: Count
    chunks_cached: int


class FailureRecord(Result):
    """A document that failed and is not cured yet; a transient one may simply be retried."""

    document_id: str
    job_id: str
    collection: str
    source: str
    stage: str
    code: str
    message: str
    hint: str
    transient: bool
    failed_at: str | None


class JobStatus(Result):
    """A job. `failed` means that it ended with at least one failed document; the others are completed.

    `pages_failed` counts pages of its completed documents that could not be read.
    """

    id: str
    state: JobState
    collection: str
    workflow: str
    priority: int
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
    stages: Stages
    fraction: float
    documents_per_s: float | None
    eta_s: float | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.finished_at is not None


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
            **{name: getattr(status, name) for name in (*same, "pages_failed")},
            embedded=status.stages.chunks_embedded.done - status.stages.chunks_cached,
            cached=status.stages.chunks_cached,
            seconds=round(seconds, 3),
            failures=failures,
        )


class Step(Result):
    """A state that a document reached, and when."""

    state: str
    at: str | None


class DocumentStatus(Result):
    """A document: its state, what is being done about it, its receipt and its way through the stages.

    Receipt: pages = pages_text + pages_ocr + pages_empty + pages_failed, chunks = points of the live version.
    `searchable` tells whether readers see a version of it, be it an older one.
    """

    id: str
    collection: str
    source: str
    tags: list[str]
    state: str
    activity: Activity
    searchable: bool
    attempt: int
    job_id: str | None
    version_id: str | None
    content_sha256: str | None
    media_type: str | None
    title: str | None
    size: int
    pages: int
    pages_text: int
    pages_ocr: int
    pages_empty: int
    pages_failed: int
    chunks: int
    warnings: list[str]
    code: str | None
    message: str | None
    hint: str | None
    timeline: list[Step]


class TaskStatus(Result):
    """One Celery task of a stage; `state` is due, running or done."""

    id: str
    stage: str
    part: int
    state: str
    activity: Activity
    job_id: str
    batch_id: str
    worker: str | None
    starts: int
    published_at: str | None
    started_at: str | None
    finished_at: str | None


class ActiveTask(Result):
    """A task that a worker is doing at this moment."""

    id: str
    stage: str
    part: int
    job_id: str
    worker: str
    running_s: float


class WorkerStatus(Result):
    """A worker process that lives; `node` is unique to this start of it."""

    node: str


class QueueStatistics(Result):
    """Messages waiting in each queue, documents waiting for admission, living workers."""

    depth: dict[str, int]
    waiting_batches: int
    workers: list[WorkerStatus]


class WatchedFolder(Result):
    """A watched folder. `held` is the reason for which deletions of `held_files` documents are held back.

    `mode` is native or polling; `trouble` what keeps it from being watched, None while it is.
    """

    root: str
    files: int
    mode: str | None
    held: str | None
    held_files: int
    held_since: str | None
    trouble: str | None
    looked_at: str | None


class SystemStatus(Result):
    """Everything at a glance."""

    jobs: list[JobStatus]
    documents: dict[str, int]
    collections: dict[str, int]
    failures: int
    queues: QueueStatistics | None
    watched: list[WatchedFolder]


class Deleted(Result):
    """What was deleted; `points` were in the store before and are not any more."""

    documents: int
    points: int
    sources: list[str]


class Hit(Result):
    """A passage: `text` is the source's extracted text from char_start to char_end.

    `line_start` and `line_end` are its lines in text and Markdown, counted from 1; None in other formats.
    """

    score: float
    source: str
    tags: list[str]
    document_id: str
    page_start: int | None
    page_end: int | None
    line_start: int | None = None
    line_end: int | None = None
    char_start: int
    char_end: int
    text: str
    title: str | None
    media_type: str | None
    section: list[str]
    page_breaks: list[Any]
    confidence: float | None
    added: dict[str, Any]
    chunk_id: str
    version_id: str


class SearchResult(Result):
    """The hits for a question, best first."""

    query: str
    mode: Mode
    collection: str
    hits: list[Hit]


class ReindexPlan(Result):
    """What a re-index would do.

    `seconds` goes by the model that is used now, and is None where nothing was measured yet; `unreadable` documents
    have neither a kept text nor their file.
    """

    collection: str
    in_place: bool
    from_model: str
    to_model: str
    dimensions: int
    chunk_tokens: int
    documents: int
    texts_kept: int
    unreadable: int
    chunks: int
    stages: list[str]
    seconds: float | None
    disk_bytes: int


class ReindexStatus(Result):
    """A re-index: `lacks` counts documents that the other index lacks, `report` is what the gate found."""

    id: str
    job_id: str
    collection: str
    state: str
    paused: bool
    from_index: str
    to_index: str
    from_model: str | None
    to_model: str | None
    documents: int
    lacks: dict[str, int]
    failures: list[dict[str, str]]
    report: dict[str, Any] | None
    message: str | None
    created_at: str | None
    soak_until: str | None
    finished_at: str | None
