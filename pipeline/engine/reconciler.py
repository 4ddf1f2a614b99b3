"""The reconciler: it publishes again what is due and whose message or process was lost.

It compares the ledger with the broker. A task that is due or running is published again if in two runs neither a
queue nor the unacknowledged set of a worker held its message. Age alone is no reason: a task that waits in a queue is
not touched. RabbitMQ does not list its messages: there the tasks of a dead worker are published again, and tasks that
are due while their queue is empty.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import redis
import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import jobs, ledger, progress
from pipeline.catalog.work.ledger import OpenTask
from pipeline.catalog.work.progress import StoredProgress, measure
from pipeline.engine.admission import admit
from pipeline.engine.broker import held_tasks, queue_depths
from pipeline.engine.canvas import Batch, follow_up
from pipeline.engine.celery_app import broker_priority
from pipeline.engine.heartbeat import RECONCILED, intake_node, is_alive, living_nodes, text
from pipeline.engine.publisher import publish
from pipeline.engine.redelivery import restore_dead
from pipeline.engine.unserved import give_up
from pipeline.names import PREFIX
from pipeline.points.labels import relabel
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = ["reconcile", "recover"]

log = structlog.get_logger()

GRACE_S = 3.0
"""A message is published a moment after the commit; younger tasks are not counted as missing."""

SUSPECTS = f"{PREFIX}suspects"
"""Redis key of the tasks that were missing in the last run."""

EMPTY_S = 30.0
"""Where the broker does not list messages, a due task is published again when its queue is empty for this time: its
message is lost, or a worker holds it for a retry, in which case the second message does no harm."""

BLIND_AGE_S = 1800.0
"""Where the broker does not list messages, any task is published again after this time without progress."""

LOCK_S = 60
MEASURE_PAUSE = 20.0
"""After a measurement a job is not measured for this many times as long as it took."""

LABELS = 500
"""Documents whose points get new names or tags in one run, at most: a run must be short."""

ABANDONED_S = 15.0
"""An intake that opened a job this many seconds ago and has no heartbeat is dead."""


class Schedule:
    """When each unfinished job is measured again. A large job takes longer, and is measured less often."""

    def __init__(self, _settings: Settings) -> None:
        self._due_at: dict[str, float] = {}

    def is_due(self, job_id: str) -> bool:
        """Whether the job should be measured now."""
        return time.monotonic() >= self._due_at.get(job_id, 0.0)

    def measured(self, job_id: str, seconds: float) -> None:
        """Record that the job was measured just now, and how long it took."""
        self._due_at[job_id] = time.monotonic() + seconds * MEASURE_PAUSE

    def keep(self, job_ids: Collection[str]) -> None:
        """Forget all jobs but these."""
        self._due_at = {job_id: at for job_id, at in self._due_at.items() if job_id in job_ids}


def reconcile(services: Services) -> list[str]:
    """Redeliver messages of dead workers, publish lost tasks again, admit batches, label points, record progress.

    Returns:
        Ids of the tasks that were published again.
    """
    lock = services.redis.lock(f"{PREFIX}reconciler", timeout=LOCK_S, blocking=False)
    if not lock.acquire():
        return []
    try:
        restore_dead(services)
        lost = _lost(services, give_up(services))
        _publish(services, lost)
        _close_abandoned(services)
        admit(services)
        relabel(services, LABELS)
        if not _record_progress(services):
            # No job is under way: a good moment for the store to write its memory to the disk.
            services.store.maintain()
        services.redis.set(RECONCILED, time.time())
    finally:
        _release(lock)
    return [due.task_id for due in lost]


def recover(services: Services, batch_id: str) -> None:
    """Publish the missing tasks of a batch again, after Celery reported a time limit or a lost worker."""
    _publish(services, [due for due in _missing(services, 0.0) if due.batch_id == batch_id])


def _lost(services: Services, queues: Collection[str]) -> list[OpenTask]:
    suspects = _missing(services, GRACE_S, queues)
    before = {text(name) for name in services.redis.smembers(SUSPECTS)}
    with services.redis.pipeline() as pipe:
        pipe.delete(SUSPECTS)
        if suspects:
            pipe.sadd(SUSPECTS, *(due.task_id for due in suspects))
            pipe.expire(SUSPECTS, LOCK_S)
        pipe.execute()
    return [due for due in suspects if due.task_id in before]


def _missing(services: Services, grace_s: float, queues: Collection[str] = ()) -> list[OpenTask]:
    # The broker first: a task that ends in between is gone from the ledger, and not taken for missing.
    held = held_tasks(services, queues)
    with services.catalog.connect() as connection:
        open_tasks = ledger.open_tasks(connection)
    now = time.time()
    if held is None:
        return _missing_by_age(services, open_tasks, grace_s)
    return [due for due in open_tasks if due.task_id not in held and now - due.since > grace_s]


def _missing_by_age(services: Services, open_tasks: Sequence[OpenTask], grace_s: float) -> list[OpenTask]:
    alive, depths, now = living_nodes(services.redis), queue_depths(services), time.time()

    def patience_s(due: OpenTask) -> float:
        if due.state == "running" and due.runner not in alive:
            return grace_s
        return EMPTY_S if due.state == "due" and not depths.get(_queue(due)) else BLIND_AGE_S

    return [due for due in open_tasks if now - due.since > patience_s(due)]


def _publish(services: Services, lost: Sequence[OpenTask]) -> None:
    if not lost:
        return
    with writing(services.catalog) as connection:
        ledger.mark_republished(connection, [due.task_id for due in lost])
    for due in lost:
        log.warning("task.republished", task=due.task_id, stage=due.stage, batch=due.batch_id, was=due.state)
        batch = Batch(due.batch_id, broker_priority(due.priority, services.settings), due.plan)
        publish(services, follow_up(batch, due.stage, due.part), batch)


def _queue(due: OpenTask) -> str:
    step = due.plan.step(due.stage)
    return step.queue if step is not None else due.stage


def _close_abandoned(services: Services) -> None:
    """Close the intake of jobs whose intake process died: they finish with the files that were read."""
    if services.redis.info("server")["uptime_in_seconds"] < ABANDONED_S:
        return  # Redis has just restarted, and living processes may not have renewed their heartbeat yet
    with services.catalog.connect() as connection:
        open_jobs = jobs.with_open_intake(connection, time.time() - ABANDONED_S)
    for job_id in open_jobs:
        if not is_alive(services.redis, intake_node(job_id)):
            log.warning("intake.abandoned", job=job_id)
            with writing(services.catalog) as connection:
                jobs.finish_intake(connection, job_id)


def _record_progress(services: Services) -> int:
    """Measure and store the progress of unfinished jobs. Returns how many there are."""
    schedule = services.singleton(Schedule)
    with services.catalog.connect() as connection:
        active = jobs.unfinished(connection)
        in_work = jobs.with_active_batches(connection)
    samples = {
        job_id: measured
        for job_id in in_work
        if schedule.is_due(job_id) and (measured := _measure(services, schedule, job_id)) is not None
    }
    if samples:
        with writing(services.catalog, durable=False) as connection:
            progress.store(connection, samples)
    schedule.keep(active)
    return len(active)


def _measure(services: Services, schedule: Schedule, job_id: str) -> StoredProgress | None:
    """Measure a job without the write lock. Returns None if nothing has changed since the last measure."""
    began = time.monotonic()
    with services.catalog.connect() as connection:
        measured = measure(connection, job_id)
    schedule.measured(job_id, time.monotonic() - began)
    return measured.to_store


def _release(lock: redis.lock.Lock) -> None:
    try:
        lock.release()
    except redis.exceptions.LockError:
        # The run took longer than the lease: another reconciler may have started, which is safe.
        log.info("reconciler.lease_ran_out")
