"""The reconciler: it publishes again what is due and whose message or process was lost.

It compares the ledger with the broker and with the processes that live. A task is published again at once if its
process is dead and its message is nowhere; if it is due, or its living process does something else, only when in two
runs neither a queue nor the unacknowledged set of a worker held its message. Age alone is no reason: a task that waits
in a queue is not touched. RabbitMQ does not list its messages: there the tasks of a dead process are published again,
and tasks that are due while their queue is empty.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Container, Sequence

import redis
import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import jobs, progress
from pipeline.catalog.work.open_tasks import OpenTask, mark_republished
from pipeline.catalog.work.progress import StoredProgress, measure
from pipeline.engine import turns
from pipeline.engine.admission import admit
from pipeline.engine.canvas import Batch, follow_up
from pipeline.engine.celery_app import broker_priority
from pipeline.engine.claims import most_spared
from pipeline.engine.executor import RECONCILER, pass_over
from pipeline.engine.expiries import limit_expiries
from pipeline.engine.heartbeat import RECONCILED, alive_key, heartbeat_timeout_s, intake_node, is_alive, text
from pipeline.engine.liveness import is_settling, limit_lives, settle
from pipeline.engine.metrics import count_rescues
from pipeline.engine.open_work import OpenWork, open_work, queue_of
from pipeline.engine.publisher import publish
from pipeline.engine.redelivery import restore_dead
from pipeline.engine.tally import keep_tallied, tally
from pipeline.engine.unserved import give_up
from pipeline.names import PREFIX
from pipeline.points.labels import relabel
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.settings.room import full_disk

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

RECOVERY_BEATS = 3
"""The errback waits for so many heartbeats for the report that a process is gone; after that the reconciler sees it."""

LOCK = f"{PREFIX}reconciler"
"""Redis key of the lock: one reconciler runs at a time."""

LOCK_S = 60
MEASURE_PAUSE = 20.0
"""After a measurement a job is not measured for this many times as long as it took."""

LABELS = 500
"""Documents whose points get new names or tags in one run, at most: a run must be short."""

ABANDONED_S = 15.0
"""An intake that opened a job this many seconds ago and has no heartbeat is dead."""


class MeasureTimes:
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
    limit_expiries(services.redis, {LOCK: LOCK_S})
    lock = services.redis.lock(LOCK, timeout=LOCK_S, blocking=False)
    if not lock.acquire():
        return []
    try:
        limit_lives(services.redis, services.settings)
        settle(services.redis, services.settings)
        restore_dead(services)
        lost = _reconcile_tasks(services, give_up(services))
        _close_abandoned(services)
        turns.resume(services)
        admit(services)
        tally(services)
        if full_disk(services.settings) is None:
            _tidy(services)
        services.redis.set(RECONCILED, time.time())
    finally:
        _release(lock)
    return [due.task_id for due in lost]


def _tidy(services: Services) -> None:
    """What writes to the disk without moving the work on: counts, labels of points, progress, memory of the store."""
    keep_tallied(services)
    relabel(services, LABELS)
    if not _record_progress(services):
        # No job is under way: a good moment for the store to write its memory to the disk.
        services.store.maintain()


def recover(services: Services, batch_id: str) -> None:
    """Publish the missing tasks of a batch again, after Celery reported a time limit or a lost process.

    The parent of a lost process reports it with one of its next heartbeats, which is waited for. Where it is later, the
    next run of the reconciler finds the task: a task that goes on before would not count the death.
    """
    for waits_left in reversed(range(RECOVERY_BEATS + 1)):
        work = open_work(services, RECONCILER)
        here = [task for task in work.tasks if task.batch_id == batch_id]
        lost = [task for task in here if work.is_orphan(task) or (work.is_suspect(task) and task.state == "due")]
        if lost or not waits_left or not any(work.is_at_work(task) for task in here):
            break
        time.sleep(services.settings.heartbeat_s)
    _publish(services, lost, work.living)


def _reconcile_tasks(services: Services, queues: Collection[str]) -> list[OpenTask]:
    """Publish lost tasks again: those of dead processes at once, others if they were suspects in the last run too."""
    work = open_work(services, RECONCILER, queues)
    suspects = [task for task in work.tasks if work.is_suspect(task) and _age_s(task) > _patience_s(work, task)]
    before = {text(name) for name in services.redis.smembers(SUSPECTS)}
    with services.redis.pipeline() as pipe:
        pipe.delete(SUSPECTS)
        if suspects:
            pipe.sadd(SUSPECTS, *(due.task_id for due in suspects))
            pipe.expire(SUSPECTS, LOCK_S)
        pipe.execute()
    orphans = [task for task in work.tasks if work.is_orphan(task)]
    return _publish(services, [*orphans, *(task for task in suspects if task.task_id in before)], work.living)


def _age_s(task: OpenTask) -> float:
    # A clock that was set back makes times of the future: they are old, too.
    return abs(time.time() - task.since)


def _patience_s(work: OpenWork, task: OpenTask) -> float:
    if work.held is not None:
        return GRACE_S
    return EMPTY_S if task.state == "due" and not work.depths.get(queue_of(task)) else BLIND_AGE_S


def _publish(services: Services, lost: Sequence[OpenTask], living: Container[str]) -> list[OpenTask]:
    if not lost:
        return []
    for task in lost:
        if task.revoked:
            log.info("task.passed_over", task=task.task_id, stage=task.stage, batch=task.batch_id)
            pass_over(services, task.task_id)
    wanted = [task for task in lost if not task.revoked]
    with writing(services.catalog) as connection:
        due_again = mark_republished(connection, wanted, living, most_spared(services.settings))
    for due in due_again:
        log.warning("task.republished", task=due.task_id, stage=due.stage, batch=due.batch_id, was=due.state)
        batch = Batch(due.batch_id, broker_priority(due.priority, services.settings), due.plan)
        publish(services, follow_up(batch, due.stage, due.part), batch)
    count_rescues(services.redis, [due.stage for due in due_again])
    return due_again


def _close_abandoned(services: Services) -> None:
    """Close the intake of jobs whose intake process died: they finish with the files that were read."""
    if services.redis.info("server")["uptime_in_seconds"] < ABANDONED_S:
        return  # Redis has just restarted, and living processes may not have renewed their heartbeat yet
    if is_settling(services.redis):
        return
    with services.catalog.connect() as connection:
        open_jobs = jobs.with_open_intake(connection, time.time() - ABANDONED_S)
    longest_s = heartbeat_timeout_s(services.settings.dead_after_s)
    limit_expiries(services.redis, {alive_key(intake_node(job_id)): longest_s for job_id in open_jobs})
    for job_id in open_jobs:
        if not is_alive(services.redis, intake_node(job_id)):
            log.warning("intake.abandoned", job=job_id)
            with writing(services.catalog) as connection:
                jobs.finish_intake(connection, job_id)


def _record_progress(services: Services) -> int:
    """Measure and store the progress of unfinished jobs. Returns how many there are."""
    schedule = services.singleton(MeasureTimes)
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


def _measure(services: Services, schedule: MeasureTimes, job_id: str) -> StoredProgress | None:
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
