"""`TaskManager`: read and change the state of documents, jobs and tasks. The CLI, the API and programs all use it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis

from pipeline import reports, stack
from pipeline.catalog.api import listing
from pipeline.catalog.api.listing import Page
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.cursors import Key, cursor_of, key_of
from pipeline.catalog.documents import watched_files
from pipeline.catalog.index import checks, indexes
from pipeline.catalog.work import events, jobs
from pipeline.catalog.work import status as read
from pipeline.catalog.work.cancel import cancel_document, cancel_job
from pipeline.catalog.work.job_status import job_status
from pipeline.catalog.work.kept_value import KeptValue
from pipeline.catalog.work.progress import measure, store
from pipeline.dead_letters.manager import FailureManager
from pipeline.errors import StackUnavailable, UnknownId
from pipeline.lists.documents import DocumentQuery, list_documents
from pipeline.lists.jobs import JobQuery, list_jobs
from pipeline.monitoring.manager import MonitoringManager
from pipeline.reports import FormatName, ReportQuery
from pipeline.results import (
    Count,
    DocumentList,
    DocumentStatus,
    JobList,
    JobStatus,
    ProcessStatus,
    Report,
    SystemStatus,
    TaskStatus,
    disk_status,
)
from pipeline.services import Services, wait_for_news
from pipeline.settings.room import LATER, full_disk
from pipeline.vectorstore.base import Filter

__all__ = ["TaskManager"]

PATIENCE_S = 1.0
"""Changes are announced over Redis; a follower reads the status after this time anyway: a message may be lost."""

REST = 20.0
"""A follower pauses this many times as long as reading the status took."""

SPACING_S = 0.05
"""Shortest time between two readings of a status, in seconds."""

SHOWN_JOBS = 20
"""How many of the newest jobs the status of the system shows."""


class TaskManager(FailureManager, MonitoringManager):
    """Status, progress, subscription, cancellation; failures; tasks, queues and workers.

    Reads work from the catalog alone. Workers and queues need Redis, and are left out without it.
    """

    def __init__(self, services: Services) -> None:
        FailureManager.__init__(self, services)
        MonitoringManager.__init__(self, services)
        self._newest: tuple[dict[str, tuple[object, ...]], KeptValue[list[JobStatus]]] = ({}, KeptValue(list))

    def status(self, id_or_prefix: str) -> JobStatus | DocumentStatus | TaskStatus:
        """Return the status of a job, a document or a Celery task, by its id or by a unique beginning of the id.

        Raises:
            UnknownId: it was never submitted.
        """
        kind, whole_id = self._resolve(id_or_prefix)
        if kind == "job":
            return self.job(whole_id)
        return self.document(whole_id) if kind == "document" else self.task(whole_id)

    def job(self, job_id: str) -> JobStatus:
        """A job's state and progress. Raises UnknownId."""
        with self._services.catalog.connect() as connection:
            row = jobs.row(connection, job_id)
            if row is None:
                raise UnknownId(f"There is no job {job_id}.")
            progress = measure(connection, job_id)
            done, every = read.count_batches(connection, job_id)
        # In a transaction of its own: reading must not hold the write lock.
        if progress.to_store is not None and full_disk(self._services.settings, LATER) is None:
            with writing(self._services.catalog, durable=False) as connection:
                store(connection, {job_id: progress.to_store})
        if self._services.settings.redis_url is None:
            # No stack is known to run, so nothing says when the job will end.
            progress = replace(progress, eta_s=None)
        return job_status(row, progress, Count(done=done, total=every))

    def document(self, document_id: str) -> DocumentStatus:
        """A document's state, receipt and timeline. Raises UnknownId."""
        with self._services.catalog.connect() as connection:
            return read.document_status(connection, document_id, self._alive())

    def documents(self, job_id: str, page: Page, cursor: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
        """A job's documents with their state there, page by page, and the cursor of the next page.

        Raises:
            UnknownId: there is no such job.
            BadRequest: it is no cursor of such a list.
        """
        key = key_of("id", cursor)
        with self._services.catalog.connect() as connection:
            rows, after = listing.list_documents(connection, job_id, page, None if key is None else key.id)
        return rows, cursor_of("id", None if after is None else Key(after, after))

    def list_documents(self, query: DocumentQuery) -> DocumentList:
        """List documents over all jobs, page by page; see `pipeline.lists.documents`."""
        return list_documents(self._services, query)

    def list_jobs(self, query: JobQuery) -> JobList:
        """List jobs, page by page; see `pipeline.lists.jobs`."""
        return list_jobs(self._services, query)

    def report(self, query: ReportQuery) -> Report:
        """The report of a job or of a span of time; see `pipeline.reports`."""
        return reports.make_report(self._services, query)

    def write_report(self, query: ReportQuery, name: FormatName, path: Path) -> None:
        """Write a report to a file in one of the formats; see `pipeline.reports`."""
        reports.write_report(self._services, query, name, path)

    def points(self, status: DocumentStatus) -> int | None:
        """Count the points of a document's version in the store. Returns None when the store cannot be reached."""
        if status.version_id is None:
            return 0
        try:
            return self._services.store.count(status.collection, Filter(version_ids=(status.version_id,)))
        except (StackUnavailable, redis.RedisError):
            return None

    def chunks(self, status: DocumentStatus, after: int, limit: int) -> list[dict[str, Any]]:
        """Payloads of the chunks of the searchable version, in their order, from chunk number `after` on."""
        if status.version_id is None or not status.searchable:
            return []
        where = Filter(version_ids=(status.version_id,), orders=(after, after + limit - 1))
        payloads = self._services.store.read(status.collection, where, limit)
        return sorted(payloads, key=lambda payload: int(payload["order"]))

    def task(self, task_id: str) -> TaskStatus:
        """A Celery task of Docrelay. Raises UnknownId: an id that was never submitted is an error, not PENDING."""
        with self._services.catalog.connect() as connection:
            return read.task_status(connection, task_id, self._alive())

    def system(self) -> SystemStatus:
        """The status of the system: the newest jobs, documents by state, points by collection, queues.

        Jobs of many documents, whose counts take longer than a moment, are counted anew when some seconds have passed,
        when there is another job, or when one has ended.
        """
        with self._services.catalog.connect() as connection:
            newest = jobs.newest(connection, SHOWN_JOBS)
        if newest != self._newest[0]:
            self._newest = (newest, KeptValue(lambda: [self.job(job_id) for job_id in newest]))
        return self.totals().model_copy(update={"jobs": self._newest[1].get()})

    def totals(self) -> SystemStatus:
        """The status of the system without its jobs: counts of documents, points, failures and messages.

        Counts that take longer than a moment, with some ten thousand documents, are kept for some seconds.
        """
        counts = self._totals.get()
        with self._services.catalog.connect() as connection:
            mirrored = watched_files.list_folders(connection)
            analysers = indexes.analysers(connection)
            drift = checks.drift(connection)
        return SystemStatus(
            jobs=[],
            documents=counts.states,
            collections=counts.chunks,
            outdated=counts.outdated,
            analysers=analysers,
            failures=counts.failures,
            queues=self.queues() if self._services.settings.redis_url is not None else None,
            watched=[read.watched_folder(row) for row in mirrored],
            drift=drift,
            disk=disk_status(self._services.settings),
            processes=[
                ProcessStatus(
                    name=found.name,
                    state=found.state,
                    restarts=found.restarts,
                    frozen=found.frozen,
                    reason=found.reason,
                )
                for found in stack.states(self._services.settings)
            ],
        )

    def subscribe(self, job_id: str, timeout_s: float | None = None) -> Iterator[JobStatus]:
        """Follow a job: yield its status now, at every change, and at its end, where the iteration stops.

        Args:
            job_id: the job.
            timeout_s: longest time to follow; None follows to the end.

        Raises:
            UnknownId: there is no such job.
        """
        deadline = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
        with self._services.follow(job_id) as news:
            while True:
                began = time.monotonic()
                status = self.job(job_id)
                cost_s = time.monotonic() - began
                yield status
                left_s = deadline - time.monotonic()
                if status.ended or left_s <= 0:
                    return
                # The status of a job of very many documents takes a while to read: reading must not load the catalog.
                time.sleep(min(max(SPACING_S, cost_s * REST), left_s))
                wait_for_news(news, min(PATIENCE_S, left_s))
                # The catalog, which a follower reads, would not notice that the stack has ended.
                stack.check(self._services.settings)

    def wait(self, job_id: str) -> JobStatus:
        """Wait for a job's end without measuring it on the way.

        Raises:
            UnknownId: there is no such job.
        """
        with self._services.follow(job_id) as news:
            while True:
                with self._services.catalog.connect() as connection:
                    is_running = jobs.is_unfinished(connection, job_id)
                if not is_running:
                    return self.job(job_id)
                time.sleep(SPACING_S)
                wait_for_news(news, PATIENCE_S)
                stack.check(self._services.settings)

    def events(self, job_id: str, after: int = 0) -> list[events.Event]:
        """Events of a job after the event with this id, oldest first."""
        with self._services.catalog.connect() as connection:
            return events.list_after(connection, job_id, after)

    def cancel(self, id_or_prefix: str) -> int:
        """Cancel a job, or the work on a document. An older version of the document stays searchable.

        Returns:
            How many documents were cancelled.

        Raises:
            UnknownId: there is no such job or document.
        """
        kind, whole_id = self._resolve(id_or_prefix)
        with writing(self._services.catalog) as connection:
            if kind == "task":
                kind, whole_id = "job", read.job_of_task(connection, whole_id)
            if kind == "job":
                cancelled, job_ids = cancel_job(connection, whole_id), [whole_id]
            else:
                cancelled, job_ids = cancel_document(connection, whole_id)
        if self._services.settings.redis_url is not None:
            for job_id in job_ids:
                self._services.announce(job_id)
        return cancelled

    def _resolve(self, id_or_prefix: str) -> tuple[str, str]:
        with self._services.catalog.connect() as connection:
            return read.resolve_id(connection, id_or_prefix)
