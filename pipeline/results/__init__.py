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
    MessageList,
    MessageRecord,
    RetryReport,
)
from pipeline.results.jobs import IngestReport, JobList, JobState, JobStatus, JobSummary, Stages
from pipeline.results.reindex import ReindexPlan, ReindexStatus
from pipeline.results.search import Hit, Passage, SearchResult
from pipeline.results.system import (
    ActiveTask,
    DiskStatus,
    ProcessStatus,
    QueueStatistics,
    SystemStatus,
    TaskStatus,
    WatchedFolder,
    WorkerStatus,
    disk_status,
)
from pipeline.results.verify import CollectionDrift, DriftExample, DriftStatus, NeededSource, VerifyReport

__all__ = [
    "ActiveTask",
    "Activity",
    "AttemptError",
    "AttemptRecord",
    "BackupReport",
    "CollectionDrift",
    "Count",
    "Deleted",
    "DiskStatus",
    "DocumentList",
    "DocumentStatus",
    "DocumentSummary",
    "DriftExample",
    "DriftStatus",
    "FailureCount",
    "FailureHistory",
    "FailureList",
    "FailureRecord",
    "Hit",
    "IngestReport",
    "JobList",
    "JobState",
    "JobStatus",
    "JobSummary",
    "MessageList",
    "MessageRecord",
    "NeededSource",
    "Passage",
    "ProcessStatus",
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
    "VerifyReport",
    "WatchedFolder",
    "WorkerStatus",
    "disk_status",
    "iso",
]
