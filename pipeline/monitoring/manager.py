"""The part of `TaskManager` that is about tasks, queues and workers, and the summary of the last days."""

from __future__ import annotations

import time
from collections import Counter
from itertools import islice

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.cursors import cursor_of, key_of
from pipeline.catalog.documents.listing import count_outdated
from pipeline.catalog.work import batches, ended_since, jobs, task_list
from pipeline.catalog.work import status as read
from pipeline.catalog.work.cancel import cancel_task
from pipeline.catalog.work.kept_value import KeptValue
from pipeline.engine.heartbeat import intake_node, living_capabilities, living_nodes, registered_nodes
from pipeline.engine.liveness import living_runners, pool_pids_of, tasks_at_work
from pipeline.engine.worker_report import read_reports
from pipeline.errors import UnknownId
from pipeline.monitoring.queues import RATED_S, Rates, list_queues, waiting_received
from pipeline.monitoring.tasks import (
    NOTHING,
    REGISTERED,
    Surroundings,
    TaskQuery,
    detail_of,
    find_tasks,
    record_of,
)
from pipeline.monitoring.workers import list_registered, list_workers
from pipeline.results import (
    ActiveTask,
    DocumentCounts,
    PeriodCounts,
    QueueList,
    QueueStatistics,
    Summary,
    TaskDetail,
    TaskList,
    WorkerList,
    WorkerStatus,
)
from pipeline.services import Services

__all__ = ["MonitoringManager"]

PERIODS = {"1h": 3600.0, "24h": 86_400.0, "7d": 604_800.0}
"""Times of the summary, in seconds."""


class MonitoringManager:
    """Tasks, queues and workers.

    What the catalog does not know is asked of Redis; without it no worker lives, and no queue is known.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._totals = KeptValue(self._count_all)
        self._periods = KeptValue(self._count_periods)

    # A process that only reads the status needs no engine, and no Celery with it: imports of the broker are late.

    def list_tasks(self, query: TaskQuery, after: str | None = None, limit: int = 100) -> TaskList:
        """List the tasks that meet the conditions, newest first, page by page.

        Args:
            query: the conditions; with the state `registered` the tasks that living workers can do.
            after: `next` of the page before; None for the first page.
            limit: tasks of one page at most.

        Raises:
            UnknownId: there is no such job.
            BadRequest: `after` is no cursor of such a list.
        """
        key = key_of("time", after)
        if query.state == REGISTERED:
            return TaskList(tasks=[], registered=list_registered(self._living().values(), query.stage))
        with self._services.catalog.connect() as connection:
            # The processes after the catalog: one that has claimed a task since then would not be known to live.
            task_list.fix_moment(connection)
            around = self._surroundings()
            if query.job_id is not None and not jobs.exists(connection, query.job_id):
                raise UnknownId(f"There is no job {query.job_id}.")
            rows = list(islice(find_tasks(connection, query, around, key, limit + 1), limit + 1))
        more = len(rows) > limit
        return TaskList(
            tasks=[record_of(row, around) for row in rows[:limit]],
            next=cursor_of("time", task_list.key_of_row(rows[limit - 1])) if more else None,
        )

    def task_detail(self, id_or_prefix: str) -> TaskDetail:
        """A task with its documents, its result and its tries. Raises UnknownId: it was never submitted."""
        with self._services.catalog.connect() as connection:
            row = task_list.row_of(connection, _task_id(connection, id_or_prefix))
            documents, errors = task_list.documents_of(connection, row), task_list.errors_of(connection, row)
        return detail_of(row, self._surroundings(), documents, errors)

    def revoke_task(self, id_or_prefix: str) -> int:
        """Cancel the documents that a task works on; the task is not published again. Others of its batch go on.

        Returns:
            How many documents were cancelled; 0 if the task is done.

        Raises:
            UnknownId: the task was never submitted.
        """
        with writing(self._services.catalog) as connection:
            cancelled, job_ids = cancel_task(connection, _task_id(connection, id_or_prefix))
        if self._is_connected:
            for job_id in job_ids:
                self._services.announce(job_id)
        return cancelled

    def active(self) -> list[ActiveTask]:
        """Tasks that living workers are doing at this moment."""
        with self._services.catalog.connect() as connection:
            return read.active_tasks(connection, self._alive())

    def queues(self) -> QueueStatistics:
        """Depth of every queue, batches that wait for admission, living workers."""
        # The queues of workflows are known by their stages, which import Celery: only where there is a broker.
        from pipeline.engine import dead_letter_queue
        from pipeline.engine.broker import queue_depths

        nodes = sorted(living_nodes(self._services.redis)) if self._is_connected else []
        return QueueStatistics(
            depth=queue_depths(self._services),
            waiting_batches=self._count_waiting(),
            workers=[WorkerStatus(node=node) for node in nodes if not node.startswith(intake_node(""))],
            dead_letters=dead_letter_queue.depth(self._services),
        )

    def list_queues(self) -> QueueList:
        """Every queue with what waits in it, how fast tasks come and go, and when it will be empty."""
        if not self._is_connected:
            return QueueList(queues=[], waiting_batches=self._count_waiting(), dead_letters=0)
        from pipeline.engine import dead_letter_queue
        from pipeline.engine.broker import queue_contents, received_tasks

        living = self._living()
        reports = read_reports(self._services.redis, living)
        received = received_tasks(self._services, living)
        reserved = waiting_received(received, tasks_at_work(self._services.redis, living))
        contents = queue_contents(self._services)
        with self._services.catalog.connect() as connection:
            times = task_list.published_at(connection, [task for found in contents.values() for task in found.oldest])
            rates = _rates(connection)
        serving = Counter(queue for worker in list_workers(living, reports, {}, ()) for queue in worker.queues)
        waiting = self._count_waiting()
        return QueueList(
            queues=list_queues(contents, times, rates, reserved, serving, waiting),
            waiting_batches=waiting,
            dead_letters=dead_letter_queue.depth(self._services),
        )

    def list_workers(self) -> WorkerList:
        """The workers that live, and the dead ones whose messages are not back in their queues yet."""
        if not self._is_connected:
            return WorkerList(workers=[])
        nodes = [node for node in registered_nodes(self._services.redis) if not node.startswith(intake_node(""))]
        reports = read_reports(self._services.redis, nodes)
        processes = pool_pids_of(self._services.redis, nodes)
        return WorkerList(workers=list_workers(self._living(), reports, processes, self.active()))

    def summary(self) -> Summary:
        """Documents by state, open tasks by stage, and what has ended in the last hour, day and week.

        Counts that take longer than a moment, with some ten thousand documents, are kept for some seconds.
        """
        counts = self._totals.get()
        with self._services.catalog.connect() as connection:
            tasks = task_list.count_open(connection)
        return Summary(documents=counts.states, tasks=tasks, periods=self._periods.get())

    def counts_soon(self) -> DocumentCounts | None:
        """Counts of all documents without a long wait: the last ones, or None while they are counted the first time."""
        return self._totals.get_soon()

    @property
    def _is_connected(self) -> bool:
        return self._services.settings.redis_url is not None

    def _alive(self) -> set[str]:
        return living_runners(self._services.redis) if self._is_connected else set()

    def _living(self) -> dict[str, frozenset[str]]:
        return living_capabilities(self._services.redis) if self._is_connected else {}

    def _surroundings(self) -> Surroundings:
        if not self._is_connected:
            return NOTHING
        from pipeline.engine.broker import received_tasks

        return Surroundings(self._alive(), received_tasks(self._services, self._living()))

    def _count_waiting(self) -> int:
        with self._services.catalog.connect() as connection:
            return batches.count_waiting(connection)

    def _count_all(self) -> DocumentCounts:
        with self._services.catalog.connect() as connection:
            return DocumentCounts(*read.totals(connection), count_outdated(connection))

    def _count_periods(self) -> dict[str, PeriodCounts]:
        now = time.time()
        moments = {name: now - seconds for name, seconds in PERIODS.items()}
        with self._services.catalog.connect() as connection:
            completed = ended_since.count_completed(connection, moments)
            failed = ended_since.count_failed(connection, moments)
        return {
            name: PeriodCounts(completed=number, failed=failed[name], chunks=chunks)
            for name, (number, chunks) in completed.items()
        }


def _task_id(connection: Connection, id_or_prefix: str) -> str:
    """The id of the task that a user means. Raises UnknownId: it is none."""
    kind, whole_id = read.resolve_id(connection, id_or_prefix)
    if kind != "task":
        raise UnknownId(
            f"The {kind} {whole_id} is no task.", "List the tasks of a job with: docrelay tasks list --job ID"
        )
    return whole_id


def _rates(connection: Connection) -> Rates:
    from pipeline.composition.plugins import stages

    since = time.time() - RATED_S
    queues = {stage.name: stage.queue for stage in stages()}
    return Rates(task_list.count_published(connection, since), task_list.count_ended(connection, since), queues)
