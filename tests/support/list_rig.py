"""A catalog with documents and jobs in any state, without a stack, on any database; and what is known of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import documents, jobs, versions
from pipeline.catalog.documents import deletion, live_versions, records
from pipeline.catalog.documents.versions import FileRecord, Placement
from pipeline.catalog.work import attempts
from pipeline.catalog.work import jobs as work_jobs
from pipeline.catalog.work.cancel import cancel_job
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.errors.problem import Problem
from pipeline.lists.documents import DocumentQuery, list_documents
from pipeline.plan import CHUNKER_VERSION
from pipeline.services import Services
from pipeline.settings import load_settings


@dataclass(frozen=True)
class Facts:
    """What a document is made of; `end` is how it ends, `facts` are columns of its version."""

    source: str
    collection: str = "documents"
    end: str = "completed"
    tags: tuple[str, ...] = ()
    size: int = 10
    at: float | None = None
    code: str = "corrupt"
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def has_version(self) -> bool:
        """Whether readers see it."""
        return self.end == "completed"

    @property
    def state(self) -> str:
        """Its state in a list."""
        return "failed" if self.end == "refused" else self.end


class ListCatalog:
    """Makes documents and jobs, and lists them."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        known = {"data_dir": folder, "embedding_model": "hashing", "redis_url": "redis://127.0.0.1:9/0"}
        self.services = Services(load_settings({**known, **settings}))
        self.extraction = self.services.extraction

    def begin(self, collection: str = "documents", workflow: str = "ingest", at: float | None = None) -> str:
        """A job whose intake is open."""
        job = Job(collection, workflow, 5)
        with writing(self.services.catalog) as connection:
            work_jobs.create(connection, job, "request", 0)
            if at is not None:
                connection.execute(jobs.update().where(jobs.c.id == job.id).values(created_at=at))
        return job.id

    def close(self, job_id: str, *, cancel: bool = False) -> None:
        """Close a job's intake, or cancel it; it ends if all of its documents have."""
        with writing(self.services.catalog) as connection:
            if cancel:
                cancel_job(connection, job_id)
            else:
                work_jobs.finish_intake(connection, job_id)

    def add(self, source: str, collection: str = "documents", end: str = "completed", **facts: Any) -> str:
        """Record a document that ends so; `facts` are columns of its version. Returns its id."""
        return self.put(self.begin(collection), Facts(source, collection, end, facts=facts))

    def put(self, job_id: str, wanted: Facts) -> str:
        """Record a document of a job; its id."""
        cause = Failure("extract", Problem(wanted.code, "It is broken.", "Mend it."))
        with writing(self.services.catalog) as connection:
            if wanted.end == "refused":
                document_id = records.reject(connection, job_id, wanted.source, 1, cause, wanted.collection)
            else:
                placement = Placement(
                    f"{wanted.collection}~1", extraction=self.extraction, collection=wanted.collection
                )
                file = FileRecord(wanted.source, "ab" * 32, wanted.size, 1.0, tags=wanted.tags)
                taken = records.record(connection, job_id, "recipe", file, placement)
                document_id, attempt = taken.document_id, str(taken.attempt_id)
                of_document = versions.c.document_id == document_id
                values = {"chunker": CHUNKER_VERSION, **wanted.facts}
                connection.execute(versions.update().where(of_document).values(values))
                if wanted.end in ("completed", "deleted"):
                    query = versions.select().with_only_columns(versions.c.id).where(of_document)
                    live_versions.switch(connection, {document_id: str(connection.scalar(query))})
                    attempts.complete(connection, [attempt])
                if wanted.end == "failed":
                    attempts.fail(connection, {attempt: cause})
                if wanted.end == "cancelled":
                    attempts.cancel(connection, attempts.attempts.c.id == attempt)
                if wanted.end == "deleted":
                    deletion.tombstone(connection, [document_id], 1e12)
            if wanted.at is not None:
                of_row = documents.update().where(documents.c.id == document_id)
                connection.execute(of_row.values(created_at=wanted.at))
        return document_id

    def sources(self, **conditions: Any) -> set[str]:
        """Sources that a list with these conditions has."""
        listed = list_documents(self.services, DocumentQuery(**conditions))
        assert listed.next is None
        return {document.source for document in listed.documents}


def combined(conditions: dict[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """No condition, and each choice of values for one, two and three of them."""
    for size in range(4):
        for names in combinations(conditions, size):
            chosen: list[dict[str, Any]] = [{}]
            for name in names:
                chosen = [{**before, name: value} for before in chosen for value in conditions[name]]
            yield from chosen
