"""What `TaskManager`, search, deletion and re-index return: frozen models, ready for JSON, times as ISO 8601 in UTC."""

from __future__ import annotations

from pipeline.results.backup import BackupReport, RestoreReport
from pipeline.results.base import Count, Result, iso
from pipeline.results.documents import Activity, Deleted, DocumentList, DocumentStatus, DocumentSummary, Step
from pipeline.results.failures import (
    ArchivedFailure,
    ArchivedFailureList,
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
from pipeline.results.health import HealthReport, HealthState, PartHealth
from pipeline.results.jobs import IngestReport, JobState, JobStatus, Stages
from pipeline.results.reindex import ReindexPlan, ReindexStatus
from pipeline.results.schedule import (
    DailyMetrics,
    DailyMetricsList,
    LastRun,
    ScheduledEntry,
    ScheduleList,
    StageDurations,
)
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
from pipeline.results.texts import RefusedText, TextDetail, TextsReport
from pipeline.results.verify import CollectionDrift, DriftExample, DriftStatus, NeededSource, VerifyReport

__all__ = [
    "ActiveTask",
    "Activity",
    "ArchivedFailure",
    "ArchivedFailureList",
    "AttemptError",
    "AttemptRecord",
    "BackupReport",
    "CollectionDrift",
    "Count",
    "DailyMetrics",
    "DailyMetricsList",
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
    "HealthReport",
    "HealthState",
    "Hit",
    "IngestReport",
    "JobState",
    "JobStatus",
    "LastRun",
    "MessageList",
    "MessageRecord",
    "NeededSource",
    "PartHealth",
    "Passage",
    "ProcessStatus",
    "QueueStatistics",
    "RefusedText",
    "ReindexPlan",
    "ReindexStatus",
    "RestoreReport",
    "Result",
    "RetryReport",
    "ScheduleList",
    "ScheduledEntry",
    "SearchResult",
    "StageDurations",
    "Stages",
    "Step",
    "SystemStatus",
    "TaskStatus",
    "TextDetail",
    "TextsReport",
    "VerifyReport",
    "WatchedFolder",
    "WorkerStatus",
    "disk_status",
    "iso",
]
