"""What both clients make of answers that may be of several kinds."""

from __future__ import annotations

from typing import Any

from pipeline.results import DocumentStatus, JobStatus, TaskStatus

__all__ = ["cancelled_by", "status_of"]


def status_of(answer: Any) -> JobStatus | DocumentStatus | TaskStatus:
    """The status that the server has answered, of whatever kind."""
    kinds = (("fraction", JobStatus), ("timeline", DocumentStatus), ("stage", TaskStatus))
    return next(kind.model_validate(answer) for name, kind in kinds if name in answer)


def cancelled_by(found: JobStatus | DocumentStatus | TaskStatus) -> tuple[str, str]:
    """What is to be cancelled: the kind of it in the API's addresses, and its id; of a task, its job."""
    if isinstance(found, DocumentStatus):
        return "documents", found.id
    return "jobs", found.id if isinstance(found, JobStatus) else found.job_id
