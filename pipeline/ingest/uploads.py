"""Uploads: files that come in a request. They are written as they arrive, and durable before the answer is sent."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.catalog import Connection
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.documents import lookup
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import jobs
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.outbox import attach
from pipeline.errors import Conflict, TooLargeToTake, UnknownId
from pipeline.ingest.content import FileContent
from pipeline.ingest.intake_traces import export_intake
from pipeline.ingest.record import look_up_unchanged, record, route
from pipeline.ingest.request import Request
from pipeline.ingest.results import IntakeResult
from pipeline.ingest.submit import new_job, record_job
from pipeline.ingest.submit_options import SubmitOptions, find_answer, store_answer
from pipeline.ingest.upload_sources import choose_source, possible_sources
from pipeline.plan import Plan
from pipeline.services import Services
from pipeline.spool import Kept, original_key
from pipeline.types import canonical

__all__ = ["Draft", "Upload", "fingerprint", "submit_uploads"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived completely. `draft` is its temporary file; `is_named`: its sender gave the source."""

    source: str
    content_sha256: str
    size: int
    draft: Path
    metadata: Mapping[str, Any] = field(default_factory=dict)
    kept: Kept = lambda _seconds=None: None
    """Waits until its bytes are safe on the disk."""
    is_named: bool = True


class Draft:
    """A file that is arriving, hashed as it is written. The clean-up removes it if its request never ends."""

    def __init__(self, services: Services) -> None:
        descriptor, name = tempfile.mkstemp(dir=services.drafts)
        self._services = services
        self._file = os.fdopen(descriptor, "wb")
        self._path = Path(name)
        self._digest = sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Write the next bytes.

        Raises:
            TooLargeToTake: the file is larger than the setting `max_file_mb` allows.
        """
        self._size += len(data)
        limit_mb = self._services.settings.max_file_mb
        if self._size > limit_mb << 20:
            raise TooLargeToTake(f"The file has more than {limit_mb} MB, which is the limit.")
        self._digest.update(data)
        self._file.write(data)

    @property
    def content_sha256(self) -> str:
        """SHA-256 of what has arrived, in hexadecimal."""
        return self._digest.hexdigest()

    def finish(self, source: str) -> Upload:
        """Close the file, and begin to copy it into the spool."""
        self._file.close()
        content = self.content_sha256
        kept = self._services.spool.secure(original_key(content, source), self._path)
        return Upload(source, content, self._size, self._path, kept=kept)

    def drop(self) -> None:
        """Delete it."""
        with contextlib.suppress(OSError):  # on a full disk what is not written yet cannot be written any more
            self._file.close()
        self._path.unlink(missing_ok=True)


def submit_uploads(
    services: Services, writer: GroupWriter, request: Request, uploads: Sequence[Upload], options: SubmitOptions
) -> dict[str, Any]:
    """Ingest files that have arrived, as a new job or into an open one; they are durable when it returns.

    Returns:
        `job_id`, and `documents`: of each its id, source, size and state, and why it failed if it has. For a request
        that was carried out before, the answer that it had.

    Raises:
        OtherRequest: the Idempotency-Key stands for another request.
        Conflict: the job that the files are for takes no more files, or has other options.
        SpaceMismatch: the collection holds vectors of another model.
    """
    try:
        while True:
            try:
                return _submit(services, writer, request, uploads, options)
            except _NameTaken:
                continue  # another request has recorded a file of the same name in between
    finally:
        for upload in uploads:
            upload.draft.unlink(missing_ok=True)


class _NameTaken(Exception):
    """A document has got, or lost, the source that was made of a file's name."""


def _submit(
    services: Services, writer: GroupWriter, request: Request, uploads: Sequence[Upload], options: SubmitOptions
) -> dict[str, Any]:
    began, new = time.time(), None if options.job else new_job(services, request)
    open_job = new or _job_to_add_to(services, options)
    sent, contents_sent = uploads, _contents(services, request, uploads, open_job)
    uploads, contents = _told_apart(services, request, sent, contents_sent, open_job)
    _, gone = look_up_unchanged(services, open_job, contents)

    def change(connection: Connection) -> tuple[dict[str, Any], list[IntakeResult]]:
        earlier = find_answer(connection, options.idempotent)
        if earlier is not None:
            return earlier, []
        job = _job(connection, services, request, uploads, options, new)
        if _sources(connection, job, sent, contents_sent) != [upload.source for upload in uploads]:
            raise _NameTaken
        results = record(connection, services, job, contents, {content.key for content in contents}, gone)
        if options.more:
            jobs.keep_open(connection, job.id, services.settings.api_idle_s)
        elif options.job is not None or not any(result.is_queued for result in results):
            jobs.finish_intake(connection, job.id)
        answer = _answer(job, uploads, results)
        store_answer(connection, options.idempotent, answer)
        return answer, results

    # The bytes are on the disk before the rows: a power cut must not leave rows without them. No lock is held here.
    for upload in uploads:
        upload.kept()
    answer, results = services.with_model_facts(lambda: writer.run(change))
    _keep_copies(services, uploads, {result.source for result in results if result.is_queued})
    export_intake(services, open_job, results, began)
    return answer


def _told_apart(
    services: Services, request: Request, uploads: Sequence[Upload], contents: list[FileContent], job: Job
) -> tuple[Sequence[Upload], list[FileContent]]:
    """The uploads with their contents; those without a source from their sender get theirs (`choose_source`)."""
    if all(upload.is_named for upload in uploads):
        return uploads, contents
    with services.catalog.connect() as connection:
        sources = _sources(connection, job, uploads, contents)
    if sources == [upload.source for upload in uploads]:
        return uploads, contents
    pairs = zip(uploads, sources, strict=True)
    uploads = [upload if source == upload.source else _renamed(services, upload, source) for upload, source in pairs]
    return uploads, _contents(services, request, uploads, job)


def _sources(connection: Connection, job: Job, uploads: Sequence[Upload], contents: Sequence[FileContent]) -> list[str]:
    """The sources of the uploads, as the documents of their collections are now."""
    collections = [content.routed or job.collection for content in contents]
    possible, used = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for collection, upload in zip(collections, uploads, strict=True):
        if upload.is_named:
            used[collection].add(upload.source)
        else:
            possible[collection].update(possible_sources(upload.source, upload.content_sha256))
    known = {collection: lookup.contents(connection, collection, names) for collection, names in possible.items()}
    sources = list[str]()
    for collection, upload in zip(collections, uploads, strict=True):
        source = upload.source
        if not upload.is_named:
            source = choose_source(source, upload.content_sha256, known[collection], used[collection])
            used[collection].add(source)
        sources.append(source)
    return sources


def _renamed(services: Services, upload: Upload, source: str) -> Upload:
    kept = services.spool.secure(original_key(upload.content_sha256, source), upload.draft)
    return replace(upload, source=source, kept=kept)


def _contents(services: Services, request: Request, uploads: Sequence[Upload], job: Job) -> list[FileContent]:
    now, tags = time.time(), canonical(request.tags)
    files = [
        FileRecord(upload.source, upload.content_sha256, upload.size, now, upload.metadata, tags) for upload in uploads
    ]
    pairs = zip(files, uploads, strict=True)
    return route(services, job, [FileContent(file, None, upload.draft) for file, upload in pairs])


def _job_to_add_to(services: Services, options: SubmitOptions) -> Job:
    with services.catalog.connect() as connection:
        if not jobs.exists(connection, options.job or ""):
            raise UnknownId(f"There is no job {options.job}.")
        return jobs.get(connection, options.job or "")


def _keep_copies(services: Services, uploads: Sequence[Upload], sources: Collection[str]) -> None:
    """Renew the copies after the commit, and make those again that were removed (see `pipeline.stages.discard`)."""
    for upload in uploads:
        key = original_key(upload.content_sha256, upload.source)
        if upload.source in sources and not services.spool.renew(key):
            services.spool.secure(key, upload.draft)()


def fingerprint(facts: Mapping[str, Any], uploads: Sequence[Upload]) -> str:
    """Hash of all that a request asks for: its fields and its files, in whatever form they were sent."""
    files = [
        (upload.source, upload.content_sha256, json.dumps(dict(upload.metadata), sort_keys=True)) for upload in uploads
    ]
    return sha256(repr((sorted(facts.items()), files)).encode("utf-8", "surrogatepass")).hexdigest()


def _job(
    connection: Connection,
    services: Services,
    request: Request,
    uploads: Sequence[Upload],
    options: SubmitOptions,
    new: Job | None,
) -> Job:
    if options.job is None:
        sizes = [upload.size for upload in uploads]
        recorded = record_job(connection, services, request, sizes, closed=not options.more, job=new)
        attach(connection, recorded.id, options.hook, options.key_id)
        return recorded
    job = jobs.open_for_uploads(connection, options.job)
    if job is None:
        raise Conflict(f"The job {options.job} waits for no further files.", "Begin a new one.")
    asked = {
        "collection": request.collection,
        "workflow": request.workflow,
        "priority": request.priority,
        "ocr": request.ocr,
    }
    other = [name for name, value in asked.items() if value is not None and value != getattr(job, name)]
    if request.options is not None and request.options != Plan.from_json(job.plan).told:
        other.append("options")
    if other or options.hook is not None:
        name = other[0] if other else "webhook"
        raise Conflict(f"The job was begun with another {name}.", "Leave it out, or begin a new job.")
    return jobs.get(connection, options.job)


def _answer(job: Job, uploads: Sequence[Upload], results: Sequence[IntakeResult]) -> dict[str, Any]:
    """The answer to the request; if several of its files have one source, each has the result of the last one."""
    by_source = {result.source: result for result in results}
    return {"job_id": job.id, "documents": [_document_json(by_source[upload.source]) for upload in uploads]}


def _document_json(result: IntakeResult) -> dict[str, Any]:
    return {
        "document_id": result.document_id,
        "source": result.source,
        "size": result.size,
        "state": result.state,
        "code": result.cause and result.cause.problem.code,
        "message": result.cause and result.cause.problem.message,
    }
