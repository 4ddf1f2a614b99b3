"""`Docrelay`: ingest, search and jobs in a few lines, for programs and notebooks on one machine or with a Redis URL."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from extractors.options import OcrMode
from pipeline import stack
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.request import Request
from pipeline.ingest.submit import find, open_job
from pipeline.ingest.text_lines import line_of
from pipeline.ingest.text_lookup import delete_texts, find_text
from pipeline.ingest.texts import submit_texts
from pipeline.results import Deleted, FailureRecord, IngestReport, JobStatus, SearchResult, TextDetail
from pipeline.search import SearchOptions, search
from pipeline.services import Services
from pipeline.settings import load_settings
from pipeline.task_manager import TaskManager
from pipeline.vectorstore.base import Filter, Mode

__all__ = ["Docrelay", "IngestOptions", "Jobs"]


class IngestOptions(TypedDict, total=False):
    """What an ingest may be given besides its paths; what is left out comes from the settings."""

    collection: str
    workflow: str
    priority: int
    tags: Sequence[str]
    options: Mapping[str, Any]
    ocr: OcrMode


class Docrelay:
    """A data folder that can be filled and searched from Python.

    The stack of the data folder (Redis, workers) is found or started by the first call that needs it, and held until
    `close()` or the end of the `with` block. With `redis_url` set, the stack is the one behind that URL.

    Args:
        data_dir: the data folder; None takes the setting `data_dir`.
        settings: any setting by its name, for this object only.

    Raises:
        BadRequest: a setting is unknown or out of its range.
    """

    def __init__(self, data_dir: str | os.PathLike[str] | None = None, **settings: Any) -> None:
        folder = None if data_dir is None else Path(data_dir)
        self.settings = load_settings({**settings, "data_dir": folder})
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._exit.__exit__(kind, error, at)

    def close(self) -> None:
        """Let go of the stack. A private stack ends soon after its last user has let go of it."""
        self._exit.close()

    @cached_property
    def services(self) -> Services:
        """Catalog, Redis, vector store and models, connected to the stack. Raises StackUnavailable."""
        services = Services(self._exit.enter_context(stack.connect(self.settings)))
        self._exit.callback(self.__dict__.pop, "services", None)
        self._exit.callback(services.catalog.dispose)
        self._exit.callback(services.redis.close)
        return services

    @property
    def jobs(self) -> Jobs:
        """All jobs of the data folder."""
        return Jobs(TaskManager(self.services))

    def ingest(
        self, paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], **options: Unpack[IngestOptions]
    ) -> IngestReport:
        """Ingest files and folders and wait until every document has ended.

        A document that fails is no exception: it is in `failures` of the report.

        Raises:
            BadRequest: there are no files in the paths, or an option is wrong.
            SpaceMismatch: the collection holds vectors of another model.
            StackUnavailable: the stack could not be started, or ended meanwhile.
        """
        began = time.monotonic()
        job_id = self.submit(paths, **options)
        manager = TaskManager(self.services)
        status = manager.wait(job_id)
        return IngestReport.of(status, manager.failed_in(job_id), time.monotonic() - began)

    def submit(
        self, paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], **options: Unpack[IngestOptions]
    ) -> str:
        """Read files into a new job and return its id; the workers go on with it. Raises what `ingest` raises."""
        named = [paths] if isinstance(paths, str | os.PathLike) else paths
        request = Request([Path(path) for path in named], **options)
        candidates = find(self.services, request)
        job_id = open_job(self.services, request, candidates)
        ingest_files(self.services, job_id, candidates)
        return job_id

    def put_texts(self, records: Iterable[Mapping[str, Any]], *, collection: str | None = None) -> IngestReport:
        """Take text records in, new or changed, and wait until every one has ended.

        Args:
            records: `id` and `text` of each, and if wanted `metadata`, `tags` and `collection`; read one by one.
            collection: of those that name none.

        Raises:
            BadRequest: a record is wrong, or there is none; nothing is taken then.
            SpaceMismatch: a collection holds vectors of another model.
            StackUnavailable: the stack could not be started, or ended meanwhile.
        """
        began, manager = time.monotonic(), TaskManager(self.services)
        with tempfile.TemporaryFile(dir=self.services.drafts) as file:
            for record in records:
                file.write(line_of(record))
            report = submit_texts(self.services, Request((), collection), file)
        status = manager.wait(report.job_id)
        return IngestReport.of(status, manager.failed_in(report.job_id), time.monotonic() - began)

    def text(self, text_id: str, *, collection: str | None = None) -> TextDetail:
        """A text record as readers see it now. Raises UnknownId."""
        return find_text(self.services, collection or self.settings.collection, text_id)

    def delete_texts(self, *text_ids: str, collection: str | None = None) -> Deleted:
        """Delete text records with their points. Raises UnknownId: nothing is deleted then."""
        return delete_texts(self.services, collection or self.settings.collection, text_ids)

    def search(
        self,
        query: str,
        *,
        collection: str | Sequence[str] | None = None,
        limit: int = 10,
        mode: Mode = "hybrid",
        where: Filter | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchResult:
        """Search one or more collections; the best hit comes first. A collection that does not exist yet has no hits.

        Raises:
            BadRequest: an empty query, a wrong limit, option or filter.
            SpaceMismatch: a collection was made with another model than the configured one, or than the others.
            StackUnavailable: the stack could not be started, or does not answer.
        """
        return search(self.services, query, collection or self.settings.collection, limit, mode, where, **options)


class Jobs:
    """A view of all jobs; everything that it does, `TaskManager` does."""

    def __init__(self, manager: TaskManager) -> None:
        self._manager = manager

    def list(self) -> Sequence[JobStatus]:
        """The newest jobs, newest first."""
        return self._manager.system().jobs

    def get(self, job_id: str) -> JobStatus:
        """State and progress of a job. Raises UnknownId."""
        return self._manager.job(job_id)

    def wait(self, job_id: str) -> JobStatus:
        """Wait for the end of a job. Raises UnknownId."""
        return self._manager.wait(job_id)

    def follow(self, job_id: str) -> Iterator[JobStatus]:
        """Status of a job now, at every change, and at its end. Raises UnknownId."""
        return self._manager.subscribe(job_id)

    def cancel(self, job_id: str) -> int:
        """Cancel a job; returns how many documents were cancelled. Raises UnknownId."""
        return self._manager.cancel(job_id)

    def failures(self, job_id: str | None = None, *, code: str | None = None) -> Sequence[FailureRecord]:
        """Failures that are not cured yet, of one job or of all, newest first. Raises UnknownId."""
        return self._manager.failures(code=code, job_id=job_id)

    def retry(self, job_id: str | None = None, *, code: str | None = None) -> Sequence[str]:
        """Try failed documents again; returns the ids of the new jobs, one for each collection."""
        return self._manager.retry(code=code, job_id=job_id)
