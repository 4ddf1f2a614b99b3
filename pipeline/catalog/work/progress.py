"""Progress of a job: fraction, rate, ETA. Computed from the catalog; the fraction never goes back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import jobs as jobs_table
from pipeline.catalog.work import document_groups, jobs
from pipeline.catalog.work.workload import DocumentGroup, Workload, workload

__all__ = ["SAMPLES", "JobProgress", "StoredProgress", "eta", "measure", "measure_and_store", "rate", "store"]

SAMPLES = 20
"""Points of (time, work done) kept per job, for rate and ETA."""

SPACING_S = 1.0
"""Two kept samples are at least this far apart."""

BASIS_PART = 0.05
"""An ETA rests on at least this part of the work that was measured and the work that is left."""

BASIS_S = 30.0
"""An ETA rests on at least this time: pages for OCR end in bursts, so a shorter time says nothing about the rate."""

PAUSE_S = 300.0
"""Without a measurement for so long, the clock starts anew."""

WINDOW_S = 60.0
"""The rate is taken over about this long: long enough to be calm, short enough to notice a change."""


class StoredProgress(NamedTuple):
    """The fraction of a job that is done, and the points of (time, work done) that its rate is computed from."""

    fraction: float
    samples: list[list[float]]


@dataclass(frozen=True, slots=True)
class JobProgress:
    """The progress of a job as measured; `eta_s` is None while it is unknown.

    `to_store` is the part that is to be stored, None when nothing has changed.
    """

    counts: dict[str, Any]
    fraction: float
    eta_s: float | None
    to_store: StoredProgress | None = None


def measure_and_store(connection: Connection, job_id: str) -> JobProgress:
    """Measure a job and store the result. The connection must be writing."""
    progress = measure(connection, job_id)
    if progress.to_store is not None:
        store(connection, {job_id: progress.to_store})
    return progress


def store(connection: Connection, changed: Mapping[str, StoredProgress]) -> None:
    """Store the progress of jobs: {job id: progress}; a fraction never goes back."""
    rows = [
        {"job": job_id, "reached": progress.fraction, "seen": progress.samples[-SAMPLES:]}
        for job_id, progress in changed.items()
    ]
    conditions = (jobs_table.c.id == sa.bindparam("job"), jobs_table.c.fraction <= sa.bindparam("reached"))
    values = {"fraction": sa.bindparam("reached"), "samples": sa.bindparam("seen", type_=jobs_table.c.samples.type)}
    connection.execute(jobs_table.update().where(*conditions).values(values), rows)


def measure(connection: Connection, job_id: str) -> JobProgress:
    """Measure a job; nothing is written."""
    job = connection.execute(sa.select(jobs_table).where(jobs_table.c.id == job_id)).one()
    groups = document_groups.of_job(connection, job_id)
    counts = document_groups.count(connection, job_id, groups)
    if job.finished_at is not None:
        return JobProgress(counts, _reached(job, counts["outcomes"]), 0.0)
    work = workload(groups, 0.0 if job.intake_done else _more(job.bytes_expected, groups))
    whole = work.done + work.left
    fraction = max(min(work.done / whole, 0.999) if whole > 0 else 0.0, job.fraction)
    samples = _sampled(job.samples, job.created_at, time.time(), work.done, is_starting=_is_starting(groups))
    is_new = samples != job.samples or fraction > job.fraction
    return JobProgress(counts, fraction, eta(work, samples), StoredProgress(fraction, samples) if is_new else None)


def _reached(job: Any, outcomes: Mapping[str, int]) -> float:
    """The fraction of a job that has ended: all of it, unless it was cancelled before."""
    if job.cancelled_at is None:
        return 1.0
    documents = sum(outcomes.values())
    share = (documents - outcomes.get("cancelled", 0)) / documents if documents else 0.0
    # Former versions have stored 1.0 for every job that ended.
    return max(share, job.fraction) if job.fraction < 1 else share


def _is_starting(groups: Iterable[DocumentGroup]) -> bool:
    """Whether chunks wait for the model, and none of the job has been embedded yet: it may still be loading."""
    cut = [group for group in groups if group.is_cut and group.chunks]
    return bool(cut) and not any(group.embedded or group.outcome for group in cut)


def _more(bytes_expected: int, groups: Iterable[DocumentGroup]) -> float:
    """What of the job is still to be ingested, as a multiple of what is; 0.0 if nothing is yet."""
    ingested = sum(group.bytes + group.documents * jobs.OVERHEAD_BYTES for group in groups)
    return max(bytes_expected / ingested - 1, 0.0) if ingested else 0.0


def rate(samples: list[list[float]]) -> float | None:
    """Work per second over the last minute's samples, [[time, work done], …], oldest first.

    Where the last minute brought nothing, it is the rate since the beginning.
    """
    recent = [sample for sample in samples if sample[0] >= samples[-1][0] - WINDOW_S]
    return _slope(recent) or _slope(samples)


def _slope(samples: list[list[float]]) -> float | None:
    if len(samples) < 2:
        return None
    (began, low), (ended, high) = samples[0], samples[-1]
    return (high - low) / (ended - began) if ended - began >= SPACING_S and high > low else None


def eta(work: Workload, samples: list[list[float]]) -> float | None:
    """Seconds that the rest will take, estimated from the samples of the work done.

    None as long as they are no basis for it, and where nothing is left that could be measured.
    """
    work_per_s = rate(samples)
    if work_per_s is None or work.left <= 0:
        return None
    # The samples, not the job: what was done before the clock started, or after the last sample, is not in the rate.
    (began, low), (ended, high) = samples[0], samples[-1]
    has_basis = ended - began >= BASIS_S and high - low >= BASIS_PART * (high - low + work.left)
    return work.left / work_per_s if has_basis else None


def _sampled(
    stored: list[list[float]], began: float, now: float, done: float, *, is_starting: bool = False
) -> list[list[float]]:
    samples = stored or [[began, 0.0]]
    if now - samples[-1][0] < SPACING_S:
        return samples
    if now - samples[-1][0] > PAUSE_S:
        # It was not measured, so no worker ran: the stack was down, and that time says nothing.
        return [[now, done]]
    if done == 0.0 or is_starting:
        # The clock starts with the first work: workers that load the model say nothing about its speed.
        return [[now, done]]
    return _thinned([*samples, [now, done]])


def _thinned(samples: list[list[float]]) -> list[list[float]]:
    """The first sample and those of the window; if these are too many, the one closest to its neighbours is dropped."""
    samples = [samples[0], *(sample for sample in samples[1:] if sample[0] >= samples[-1][0] - WINDOW_S)]
    if len(samples) <= SAMPLES:
        return samples
    inner = range(1, len(samples) - 1)
    drop = min(inner, key=lambda index: samples[index + 1][0] - samples[index - 1][0])
    return samples[:drop] + samples[drop + 1 :]
