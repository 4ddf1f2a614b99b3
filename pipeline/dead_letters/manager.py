"""The part of `TaskManager` that is about failures: list, retry and purge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import failure_list, failures
from pipeline.dead_letters.query import FailureQuery, filter_of, position_of, text_of
from pipeline.results import FailureCount, FailureList, FailureRecord, RetryReport, iso
from pipeline.services import Services

__all__ = ["FailureManager"]

EVERY = 2**31 - 1
"""A limit that no list reaches."""


class FailureManager:
    """Open failures: documents that failed and are not cured yet."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def failures(
        self, *, code: str | None = None, job_id: str | None = None, transient: bool | None = None
    ) -> list[FailureRecord]:
        """Documents that failed and are not cured yet, newest first.

        Raises:
            UnknownId: there is no such job.
        """
        query = FailureQuery(code=code, job_id=job_id, transient=transient)
        with self._services.catalog.connect() as connection:
            where = filter_of(connection, query, self._quarantine_after)
            rows, _ = failure_list.list_page(connection, where, None, EVERY)
        return [self._record(row) for row in rows]

    def list_failures(self, query: FailureQuery, after: str | None = None, limit: int = 100) -> FailureList:
        """List the failures that meet the conditions, newest first, page by page, with the counts of all of them.

        Args:
            query: the conditions.
            after: `next` of the page before; None for the first page.
            limit: failures of one page at most.

        Raises:
            UnknownId: there is no such job.
            BadRequest: `after` is no position of such a list, or a time of the query is none.
        """
        position = position_of(after)
        with self._services.catalog.connect() as connection:
            where = filter_of(connection, query, self._quarantine_after)
            rows, following = failure_list.list_page(connection, where, position, limit)
            classes = failure_list.count_classes(connection, where)
        return FailureList(
            failures=[self._record(row) for row in rows],
            counts=[FailureCount(**found._asdict()) for found in classes],
            total=sum(found.documents for found in classes),
            next=text_of(following),
        )

    def failed_in(self, job_id: str) -> list[dict[str, Any]]:
        """Failures of a job, retried since or not: source, code, message and hint of each document."""
        with self._services.catalog.connect() as connection:
            return failures.list_of_job(connection, job_id)

    def retry(
        self, document_ids: Sequence[str] = (), *, code: str | None = None, job_id: str | None = None
    ) -> list[str]:
        """Retry failed documents: these, or all that match. The documents of each collection become one new job.

        Returns:
            The new jobs' ids.

        Raises:
            UnknownId: one of the documents has not failed.
        """
        return self.retry_failures(FailureQuery(code=code, job_id=job_id), document_ids).jobs

    def retry_failures(
        self, query: FailureQuery, names: Sequence[str] = (), *, force: bool = False, dry_run: bool = False
    ) -> RetryReport:
        """Retry the failures that meet the conditions; the documents of each collection become one new job.

        Args:
            query: the conditions.
            names: only of these documents, sources or jobs; empty for any.
            force: retry documents in quarantine too.
            dry_run: count only.

        Raises:
            UnknownId: one of the documents has not failed, or there is no such job.
            BadRequest: a time of the query is none.
        """
        # A process that only reads the status needs no engine, and no Celery with it.
        from pipeline.ingest import retry

        with self._services.catalog.connect() as connection:
            where = filter_of(connection, query, self._quarantine_after)
        choice = retry.choose(self._services, names, where, force=force)
        return RetryReport(
            jobs=[] if dry_run else retry.retry(self._services, choice),
            documents=len(choice.failures),
            counts=[FailureCount(**found._asdict()) for found in choice.classes()],
            quarantined=len(choice.left),
            dry_run=dry_run,
        )

    def purge(self, *, code: str | None = None, job_id: str | None = None) -> int:
        """Remove failures from the list; the documents stay as they are.

        Returns:
            How many were removed.
        """
        return self.purge_failures(FailureQuery(code=code, job_id=job_id))

    def purge_failures(self, query: FailureQuery) -> int:
        """Remove the failures that meet the conditions from the list; the documents stay as they are.

        Returns:
            How many were removed.

        Raises:
            UnknownId: there is no such job.
            BadRequest: a time of the query is none.
        """
        with self._services.catalog.connect() as connection:
            where = filter_of(connection, query, self._quarantine_after)
        with writing(self._services.catalog) as connection:
            return failure_list.purge(connection, where)

    @property
    def _quarantine_after(self) -> int:
        return self._services.settings.quarantine_after or EVERY

    def _record(self, row: Mapping[str, Any]) -> FailureRecord:
        names = set(FailureRecord.model_fields) - {"failed_at", "quarantined"}
        return FailureRecord(
            **{name: row[name] for name in names},
            failed_at=iso(row["created_at"]),
            quarantined=row["fatal_attempts"] >= self._quarantine_after,
        )
