"""What `TaskManager`, search, deletion and re-index return: frozen models, ready for JSON, times as ISO 8601 in UTC."""

from __future__ import annotations

from pipeline.results.backup import BackupReport, RestoreReport
from pipeline.results.base import Count, Result, iso
from pipeline.results.documents import Activity, Deleted, DocumentList, DocumentStatus, DocumentSummary, Step
from pipeline.results.failures import (
    AttemptError,
    AttemptRecord,
    FailureCount,
    FailureHistory,
    FailureList,
    FailureRecord,
    RetryReport,
)
from pipeline.results.jobs import IngestReport, JobState, JobStatus, Stages
from pipeline.results.reindex import ReindexPlan, ReindexStatus
from pipeline.results.search import Hit, Passage, SearchResult
from pipeline.results.system import ActiveTask, QueueStatistics, SystemStatus, TaskStatus, WatchedFolder, WorkerStatus

__all__ = [
    "ActiveTask",
    "Activity",
    "AttemptError",
    "AttemptRecord",
    "BackupReport",
    "Count",
    "Deleted",
    "DocumentList",
    "DocumentStatus",
    "DocumentSummary",
    "FailureCount",
    "FailureHistory",
    "FailureList",
    "FailureRecord",
    "Hit",
    "IngestReport",
    "JobState",
    "JobStatus",
    "Passage",
    "QueueStatistics",
    "ReindexPlan",
    "ReindexStatus",
    "RestoreReport",
    "Result",
    "RetryReport",
    "SearchResult",
    "Stages",
    "Step",
    "SystemStatus",
    "TaskStatus",
    "WatchedFolder",
    "WorkerStatus",
    "iso",
]
