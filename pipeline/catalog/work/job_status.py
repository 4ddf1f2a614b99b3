"""The status of a job, made from its row in the catalog and its measured progress."""

from __future__ import annotations

import time
from typing import Any

from pipeline.catalog.work.jobs import ended_as
from pipeline.catalog.work.progress import JobProgress
from pipeline.results import Count, JobStatus, Stages, iso

__all__ = ["job_status"]


def job_status(row: Any, progress: JobProgress, batches: Count) -> JobStatus:
    """Make the status of a job.

    Args:
        row: the job's row in the catalog.
        progress: what was measured of it.
        batches: how many of its batches are done, of how many.
    """
    counts, outcomes = progress.counts, progress.counts["outcomes"]
    ended = sum(outcomes.values())
    seconds = (row.finished_at or time.time()) - row.created_at
    return JobStatus(
        id=row.id,
        state=_job_state(row, outcomes),
        collection=row.collection,
        workflow=row.workflow,
        priority=row.priority,
        ocr=row.ocr,
        created_at=iso(row.created_at),
        finished_at=iso(row.finished_at),
        seconds=round(seconds, 3),
        documents=counts["documents"],
        **{name: outcomes.get(name, 0) for name in ("completed", "unchanged", "failed", "cancelled", "deleted")},
        active=counts["states"],
        chunks=counts["chunks"],
        pages_failed=counts["pages_failed"],
        incomplete=counts["incomplete"],
        outdated=counts["outdated"],
        stages=Stages(
            pages=Count(done=counts["pages_done"], total=counts["pages_total"]),
            chunks_embedded=Count(done=counts["chunks_embedded"], total=counts["chunks_total"]),
            points=Count(done=counts["chunks_upserted"], total=counts["chunks_total"]),
            batches=batches,
            chunks_cached=counts["chunks_cached"],
        ),
        fraction=progress.fraction,
        documents_per_s=round(ended / seconds, 3) if seconds > 0 and ended else None,
        eta_s=progress.eta_s,
    )


def _job_state(row: Any, outcomes: dict[str, int]) -> Any:
    if row.finished_at is None:
        return "running" if row.intake_done else "taking_in"
    return "cancelled" if row.cancelled_at is not None else ended_as(outcomes)
