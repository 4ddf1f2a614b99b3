"""One function for each endpoint of the API, which makes its request; both clients have a method of the same name."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from pipeline.api.models import Accepted, Chunk, DocumentDetail, DocumentState
from pipeline.client.request import File, Options, Page, Request, job_fields, model_reader
from pipeline.errors import BadRequest
from pipeline.lists.documents import DocumentQuery
from pipeline.lists.jobs import JobQuery
from pipeline.results import (
    Deleted,
    DocumentList,
    DocumentStatus,
    DocumentSummary,
    HealthReport,
    JobList,
    JobStatus,
    JobSummary,
    ReindexPlan,
    ReindexStatus,
    SearchResult,
    SystemStatus,
    TaskStatus,
)

if TYPE_CHECKING:
    from pipeline.search import SearchOptions

__all__ = [
    "all_documents",
    "all_jobs",
    "cancel",
    "chunks",
    "collections",
    "content",
    "delete",
    "document",
    "documents",
    "health",
    "job",
    "list_documents",
    "list_jobs",
    "plan_reindex",
    "reindex",
    "reindex_status",
    "search",
    "status",
    "steer_reindex",
    "submit",
    "submit_paths",
    "system",
]

Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")


class DocumentConditions(TypedDict, total=False):
    """Further conditions on documents, and their order, as `DocumentQuery` has them."""

    code: str | None
    tag: str | None
    since: str | None
    before: str | None
    sort: str


class JobConditions(TypedDict, total=False):
    """Conditions on jobs, and their order, as `JobQuery` has them."""

    state: str | None
    collection: str | None
    workflow: str | None
    code: str | None
    since: str | None
    before: str | None
    sort: str


AnyStatus = JobStatus | DocumentStatus | TaskStatus

PAGE_SIZE = 500


def submit(*files: File, key: str | None = None, **options: Unpack[Options]) -> Request[Accepted]:
    """Send files as one job. The job is durable when this returns.

    Args:
        files: paths, or names with bytes or open files.
        key: an Idempotency-Key; by default each call gets a new one.
        options: collection, workflow, priority, tags, sources, metadata, webhook and so on; see `Options`.
    """
    return Request(
        "POST", "/v1/documents", model_reader(Accepted), files=files, options=options, idempotency_key=key or _new_key()
    )


def submit_paths(
    *paths: str, pattern: str | None = None, key: str | None = None, **options: Unpack[Options]
) -> Request[Accepted]:
    """Have the server ingest files and folders of its own; `pattern` is a glob over their names."""
    body: dict[str, Any] = {"paths": list(paths), **job_fields(options)}
    body |= {name: kind(body[name]) for name, kind in (("tags", list), ("options", dict)) if name in body}
    if pattern is not None:
        body["glob"] = pattern
    return Request("POST", "/v1/jobs", model_reader(Accepted), json=body, idempotency_key=key or _new_key())


def job(job_id: str) -> Request[JobStatus]:
    """A job's state and progress."""
    return Request("GET", f"/v1/jobs/{quote(job_id)}", model_reader(JobStatus))


def documents(job_id: str, state: str | None = None, code: str | None = None) -> Request[Page[DocumentState]]:
    """The documents of a job, however many."""
    path, params = f"/v1/jobs/{quote(job_id)}/documents", {"state": state, "code": code}
    return _page(path, params, "documents", DocumentState)


def all_documents(
    collection: str | None = None,
    state: str | None = None,
    outdated: bool = False,
    incomplete: bool = False,
    source: str | None = None,
    **more: Unpack[DocumentConditions],
) -> Request[Page[DocumentSummary]]:
    """The documents of all jobs that meet all conditions; `source` is a name or a glob.

    `more` are code, tag, since, before and sort, as `DocumentQuery` has them.
    """
    params = {"collection": collection, "state": state, "source": source, **more}
    flags = {"outdated": outdated or None, "incomplete": incomplete or None}
    return _page("/v1/documents", params | flags, "documents", DocumentSummary)


def list_documents(query: DocumentQuery) -> Request[DocumentList]:
    """One page of the documents of all jobs."""
    params = _asked(query)
    flags = {name: params.pop(name) or None for name in ("outdated", "incomplete")}
    return Request("GET", "/v1/documents", model_reader(DocumentList), params | flags)


def all_jobs(**conditions: Unpack[JobConditions]) -> Request[Page[JobSummary]]:
    """The jobs that meet all conditions, the newest first, however many.

    `conditions` are state, collection, workflow, code, since, before and sort, as `JobQuery` has them.
    """
    return _page("/v1/jobs", dict(conditions), "jobs", JobSummary)


def list_jobs(query: JobQuery) -> Request[JobList]:
    """One page of the jobs."""
    return Request("GET", "/v1/jobs", model_reader(JobList), _asked(query))


def document(document_id: str) -> Request[DocumentDetail]:
    """A document with its receipt."""
    return Request("GET", f"/v1/documents/{quote(document_id)}", model_reader(DocumentDetail))


def chunks(document_id: str) -> Request[Page[Chunk]]:
    """The chunks of a document in their order."""
    return _page(f"/v1/documents/{quote(document_id)}/chunks", {}, "chunks", Chunk)


def content(document_id: str) -> Request[bytes]:
    """The original of a document."""
    return Request("GET", f"/v1/documents/{quote(document_id)}/content", lambda response: response.content)


def search(
    query: str,
    collection: str | Sequence[str] | None = None,
    limit: int = 10,
    mode: str = "hybrid",
    where: dict[str, Any] | None = None,
    **options: Unpack[SearchOptions],
) -> Request[SearchResult]:
    """The best passages for a question, of one or more collections.

    `where` has sources, media_types, tags, metadata, page, modified_after and so on; `options` are min_score, group,
    rerank and rerank_depth.
    """
    named = "collection" if isinstance(collection, str | None) else "collections"
    body = {"query": query, "limit": limit, "mode": mode, "filter": where or {}} | _optional(**options)
    body |= _optional(**{named: collection if isinstance(collection, str | None) else list(collection)})
    return Request("POST", "/v1/search", model_reader(SearchResult), json=body)


def status(any_id: str) -> Request[AnyStatus]:
    """The status of the job, document or task with this id, or with the only id that begins so."""
    return Request("GET", f"/v1/status/{quote(any_id, safe='')}", _any_status)


def system() -> Request[SystemStatus]:
    """Jobs, documents, collections, queues and workers at a glance."""
    return Request("GET", "/v1/status", model_reader(SystemStatus))


def health() -> Request[HealthReport]:
    """How each part of the system is: state, age, cause and what to do."""
    return Request("GET", "/health", model_reader(HealthReport))


def cancel(status: AnyStatus) -> Request[int]:
    """Cancel a job, the running attempt of a document, or the job of a task; how many documents that were."""
    kind = "documents" if isinstance(status, DocumentStatus) else "jobs"
    target_id = status.job_id if isinstance(status, TaskStatus) else status.id
    return Request("POST", f"/v1/{kind}/{quote(target_id)}/cancel", _field("cancelled", int))


def delete(*sources: str, collection: str | None = None) -> Request[Deleted]:
    """Delete documents by source or id."""
    params = {"source": list(sources), "collection": collection}
    return Request("DELETE", "/v1/documents", model_reader(Deleted), params, repeatable=False)


def collections() -> Request[list[dict[str, Any]]]:
    """Every collection with its model and its size."""
    return Request("GET", "/v1/collections", lambda response: list(response.json()))


def reindex(collection: str | None = None, **request: Any) -> Request[ReindexStatus]:
    """Begin a re-index: `model`, `chunk_tokens`, `re_extract`, scopes and so on, as the API takes them."""
    body = request | _optional(collection=collection)
    return Request("POST", "/v1/reindex", model_reader(ReindexStatus), json=body, repeatable=False)


def plan_reindex(collection: str | None = None, **request: Any) -> Request[ReindexPlan]:
    """What `reindex` with the same request would do."""
    body = request | _optional(collection=collection)
    return Request("POST", "/v1/reindex/plan", model_reader(ReindexPlan), json=body)


def reindex_status(collection: str) -> Request[ReindexStatus]:
    """The state of the last re-index of a collection."""
    return Request("GET", f"/v1/reindex/{quote(collection, safe='')}", model_reader(ReindexStatus))


def steer_reindex(action: str, collection: str, **options: Any) -> Request[ReindexStatus]:
    """Pause a re-index, resume it (`allow_failed`, `per_minute`), cancel it, or roll it back (`allow_failed`)."""
    if action not in ("pause", "resume", "cancel", "rollback"):
        raise BadRequest(f"Nothing of a re-index is called {action!r}.", "Say pause, resume, cancel or rollback.")
    body = options if action in ("resume", "rollback") else None
    path = f"/v1/reindex/{quote(collection, safe='')}/{action}"
    return Request("POST", path, model_reader(ReindexStatus), json=body, repeatable=False)


def _asked(query: DocumentQuery | JobQuery) -> dict[str, Any]:
    """The parameters that ask for a page of a list."""
    params = asdict(query)
    return {**params, "cursor": params.pop("after")}


def _page(
    path: str, params: dict[str, Any], name: str, model: type[Model], cursor: str | None = None
) -> Request[Page[Model]]:
    """A request for one page of a list; `name` is the field of the response that holds it."""

    def read(response: httpx.Response) -> Page[Model]:
        body = response.json()
        items = [model.model_validate(row) for row in body[name]]
        return Page(items, _page(path, params, name, model, body["next"]) if body["next"] is not None else None)

    return Request("GET", path, read, {**params, "cursor": cursor, "limit": PAGE_SIZE})


def _field(name: str, convert: Callable[[Any], T]) -> Callable[[httpx.Response], T]:
    return lambda response: convert(response.json()[name])


def _any_status(response: httpx.Response) -> AnyStatus:
    """The status in a response, of the kind whose field it has."""
    body = response.json()
    kinds = (("fraction", JobStatus), ("timeline", DocumentStatus), ("stage", TaskStatus))
    return next(kind.model_validate(body) for name, kind in kinds if name in body)


def _optional(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _new_key() -> str:
    """A new Idempotency-Key, the same for all attempts of one submission."""
    return uuid.uuid4().hex
