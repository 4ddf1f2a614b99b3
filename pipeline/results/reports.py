"""The report of a job or of a span of time: what came in, what failed and why, OCR, durations, throughput."""

from __future__ import annotations

from pydantic import Field

from pipeline.results.base import Result
from pipeline.results.jobs import JobState
from pipeline.results.schedule import DailyMetrics

__all__ = [
    "Report",
    "ReportedDocument",
    "ReportedFailureCode",
    "ReportedFormat",
    "ReportedInterval",
    "ReportedJob",
    "ReportedOcr",
    "ReportedPages",
    "ReportedStage",
    "ReportedThroughput",
]


class ReportedJob(Result):
    """The job that a report is about; without `finished_at` it is still running, and its numbers will grow."""

    id: str
    state: JobState
    collection: str
    workflow: str
    priority: int
    created_at: str | None
    finished_at: str | None


class ReportedPages(Result):
    """Pages of the completed documents: with text, read by OCR, without writing, and those that could not be read."""

    text: int = 0
    ocr: int = 0
    empty: int = 0
    failed: int = 0

    @property
    def all(self) -> int:
        """All pages."""
        return self.text + self.ocr + self.empty + self.failed


class ReportedOcr(Result):
    """What OCR read of the completed documents.

    `mean_confidence` and `lowest_confidence` (of a document) are OCR's mean word confidence, 0 to 1, over
    `pages_with_confidence`; None where no page has one: no words were found, or Docrelay did not keep it yet.
    """

    documents: int = 0
    pages: int = 0
    pages_with_confidence: int = 0
    mean_confidence: float | None = None
    lowest_confidence: float | None = None


class ReportedStage(Result):
    """Tasks of a stage that ended: the seconds that 50 and 95 of 100 took at most, and the seconds of all together."""

    stage: str
    tasks: int
    p50_s: float
    p95_s: float
    total_s: float


class ReportedInterval(Result):
    """What workers completed, and what failed there, in one interval from `start` on; chunks of the completed ones."""

    start: str
    completed: int
    failed: int
    chunks: int


class ReportedThroughput(Result):
    """Intervals of `interval_s` seconds each, without gaps, and completed documents and chunks per second over all."""

    interval_s: int
    documents_per_s: float
    chunks_per_s: float
    intervals: list[ReportedInterval] = Field([])


class ReportedFormat(Result):
    """Documents of one format, their bytes, and pages and chunks of the completed ones.

    `media_type` is None for documents that were not read: unchanged, refused, or not reached yet.
    """

    media_type: str | None
    documents: int
    bytes: int
    pages: int
    chunks: int


class ReportedFailureCode(Result):
    """How many documents failed with a code."""

    code: str
    documents: int


class ReportedDocument(Result):
    """A document with its state in the job, or at its end within the span.

    Pages and chunks are those of a completed document. `seconds` are from its first start to its end. What failed has
    `code` and `message`; `hint`, `stage` and `worker` are None once its history is not kept any more.
    """

    source: str
    state: str
    media_type: str | None
    bytes: int | None
    pages: int | None
    pages_ocr: int | None
    ocr_confidence: float | None
    chunks: int | None
    seconds: float | None
    ended_at: str | None
    code: str | None
    message: str | None
    hint: str | None
    stage: str | None
    worker: str | None


class Report(Result):
    """A report. It is about `job`, or without one about what ended from `since` on and before `until`.

    The numbers are of all documents. The lists `failures` and `documents_listed` have the first 200 of each;
    `more_failures` and `more_documents` say how many are left out. `days` are the stored numbers of the days of a span.
    `notes` are sentences about what the numbers leave out.
    """

    made_at: str
    job: ReportedJob | None
    since: str
    until: str
    documents: int
    states: dict[str, int]
    bytes: int
    pages: ReportedPages
    chunks: int
    ocr: ReportedOcr
    formats: list[ReportedFormat]
    failure_codes: list[ReportedFailureCode]
    stages: list[ReportedStage]
    throughput: ReportedThroughput
    failures: list[ReportedDocument]
    more_failures: int
    documents_listed: list[ReportedDocument]
    more_documents: int
    days: list[DailyMetrics]
    notes: list[str] = Field([])

    @property
    def is_running(self) -> bool:
        """Whether the job is not at its end, so that numbers will grow."""
        return self.job is not None and self.job.finished_at is None
