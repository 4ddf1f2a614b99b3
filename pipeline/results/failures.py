"""Results about failures: documents that failed, how many of each class, and lists of both."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipeline.results.base import Result

__all__ = [
    "ArchivedFailure",
    "ArchivedFailureList",
    "AttemptError",
    "AttemptRecord",
    "FailureCount",
    "FailureHistory",
    "FailureList",
    "FailureRecord",
    "MessageList",
    "MessageRecord",
    "RetryReport",
]


class FailedDocument(Result):
    """What is known of a document that failed; a transient failure may simply be retried."""

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


class FailureRecord(FailedDocument):
    """A document that failed and is not cured yet; a transient one may simply be retried.

    `fatal_attempts` counts the attempts of this content that ended as crashed, timeout or out_of_memory; a document
    with as many as `quarantine_after` is `quarantined`: it is left alone until it is retried with force.
    """

    fatal_attempts: int = 0
    quarantined: bool = False


class ArchivedFailure(FailedDocument):
    """A failure that stayed open for `failures_days`: it is not in the list of open ones any more."""

    archived_at: str | None


class ArchivedFailureList(Result):
    """One page of archived failures, the ones archived last first; `next` is None at the end."""

    failures: list[ArchivedFailure]
    next: str | None = None


class FailureCount(Result):
    """How many documents failed with one code in one stage; `quarantined` of them are in quarantine."""

    code: str
    stage: str
    documents: int
    quarantined: int = 0


class FailureList(Result):
    """One page of open failures, newest first.

    `counts` are those of all failures that meet the conditions, by code and stage, and `total` is their sum; `next` is
    where the following page begins, None at the end.
    """

    failures: list[FailureRecord]
    counts: list[FailureCount] = Field([])
    total: int = 0
    next: str | None = None


class RetryReport(Result):
    """What a retry has begun, or with a dry run would begin: documents by code and stage, and the new jobs.

    `quarantined` documents are left alone: they are retried with force only.
    """

    jobs: list[str]
    documents: int
    counts: list[FailureCount]
    quarantined: int
    dry_run: bool = False


class AttemptError(Result):
    """Why a task failed: for good (`failed`), or before it was tried again (`retried`).

    `trace` says where in the program the error was raised, `trace_id` is in the line of the log with the whole
    traceback. What belongs to a task is None where intake refused the file.
    """

    at: str | None
    kind: str
    stage: str
    part: int | None
    worker: str | None
    started_at: str | None
    code: str
    message: str
    hint: str
    transient: bool
    trace_id: str | None
    trace: str | None


class AttemptRecord(Result):
    """An attempt of a document, with the errors on its way that are kept."""

    number: int
    id: str
    job_id: str
    state: str
    queued_at: str | None
    started_at: str | None
    ended_at: str | None
    code: str | None
    message: str | None
    errors: list[AttemptError]


class FailureHistory(Result):
    """A document that failed, with the newest of its attempts, oldest first.

    `failure` is None if the document has no open failure any more. `refusals` are errors of intake, which belong to no
    attempt.
    """

    document_id: str
    collection: str
    source: str
    failure: FailureRecord | None
    attempts: list[AttemptRecord]
    refusals: list[AttemptError]


class MessageRecord(Result):
    """A message that no task of Docrelay could answer, and why; `queue` is where it was before."""

    id: str
    reason: str
    queue: str
    at: str | None
    task: str | None
    task_id: str | None
    size: int
    headers: dict[str, Any]


class MessageList(Result):
    """The oldest messages of the queue of dead letters; `total` counts all that are there."""

    messages: list[MessageRecord]
    total: int
