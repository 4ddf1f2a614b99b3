"""The part of `TaskManager` that is about failures: list, retry and purge them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.cursors import cursor_of, key_of
from pipeline.catalog.work import failure_list, failures
from pipeline.catalog.work.failure_history import read_history
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.catalog.work.status import resolve_id
from pipeline.dead_letters.messages import MessageManager
from pipeline.dead_letters.old_failures import list_archived
from pipeline.dead_letters.query import FailureQuery, filter_of
from pipeline.dead_letters.records import history_of, record_of
from pipeline.errors import Conflict, UnknownId
from pipeline.ingest.walk import source_of_path
from pipeline.results import ArchivedFailureList, FailureCount, FailureHistory, FailureList, FailureRecord, RetryReport

__all__ = ["FailureManager"]

EVERY = 2**31 - 1
"""A limit that no list reaches."""


class FailureManager(MessageManager):
    """Open failures, documents that failed and are not cured yet; and messages that no task could answer."""

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
        return [record_of(row, self._quarantine_after) for row in rows]

    def list_failures(self, query: FailureQuery, after: str | None = None, limit: int = 100) -> FailureList:
        """List the failures that meet the conditions, newest first, page by page, with the counts of all of them.

        Args:
            query: the conditions.
            after: `next` of the page before; None for the first page.
            limit: failures of one page at most.

        Raises:
            UnknownId: there is no such job.
            BadRequest: `after` is no cursor of such a list, or a time of the query is none.
        """
        key = key_of("time", after)
        with self._services.catalog.connect() as connection:
            where = filter_of(connection, query, self._quarantine_after)
            rows, following = failure_list.list_page(connection, where, key, limit)
            classes = failure_list.count_classes(connection, where)
        return FailureList(
            failures=[record_of(row, self._quarantine_after) for row in rows],
            counts=[FailureCount(**found._asdict()) for found in classes],
            total=sum(found.documents for found in classes),
            next=cursor_of("time", following),
        )

    def failure(self, id_or_source: str) -> FailureHistory:
        """The history of a document: its attempts and their errors, whether its failure is open still or not.

        Args:
            id_or_source: the id of the document or a unique beginning of it, or the source of a document that failed.

        Raises:
            UnknownId: there is no such document, or several failed with this source.
        """
        with self._services.catalog.connect() as connection:
            document_id = _document_id(connection, id_or_source)
            return history_of(read_history(connection, document_id), self._quarantine_after)

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
            Conflict: all that is named is in quarantine, and `force` is not set.
        """
        # A process that only reads the status needs no engine, and no Celery with it.
        from pipeline.ingest import retry

        with self._services.catalog.connect() as connection:
            where = filter_of(connection, query, self._quarantine_after)
        choice = retry.choose(self._services, names, where, force=force)
        if names and choice.left and not choice.failures:
            ids = " ".join(left.document_id for left in choice.left[:5])
            raise Conflict(
                "What is named is in quarantine.", f"Try it once more with: docrelay failures retry {ids} --force"
            )
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

    def archived_failures(self, after: str | None = None, limit: int = 100) -> ArchivedFailureList:
        """Failures that became too old for the list of open ones, page by page. Raises BadRequest."""
        return list_archived(self._services, after, limit)

    @property
    def _quarantine_after(self) -> int:
        return self._services.settings.quarantine_after or EVERY


def _document_id(connection: Connection, id_or_source: str) -> str:
    """The id of the document that a user means.

    Raises:
        UnknownId: it is none.
    """
    try:
        kind, whole_id = resolve_id(connection, id_or_source)
    except UnknownId as error:
        names = {id_or_source, source_of_path(id_or_source)}
        where = FailureFilter(has_source=names.__contains__)
        found = [chosen.document_id for chosen in failure_list.list_chosen(connection, where)]
        if len(found) == 1:
            return found[0]
        raise UnknownId(str(error), "See: docrelay failures list") from None
    if kind != "document":
        raise UnknownId(
            f"The {kind} {whole_id} is no document.",
            "List its documents that failed with: docrelay failures list --job JOB",
        )
    return whole_id
