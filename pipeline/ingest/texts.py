"""Text records: texts without a file, each with an id of its sender's. They go the way of all documents.

A record is a document whose content is its text. Its source is `text://` and its id, so that the same id in the same
collection is the same document: a changed text or changed metadata is a new version of it, and the vectors of passages
that did not change come from the cache.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any, BinaryIO

from pipeline.catalog import Connection
from pipeline.catalog.api import idempotency
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.index import collections
from pipeline.catalog.work import jobs
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.outbox import attach
from pipeline.errors import BadRequest, BodyTooLarge
from pipeline.ingest.content import FileContent
from pipeline.ingest.intake import (
    close_intake,
    closing_on_interrupt,
    ingest_groups,
    intake_heartbeat,
    pack_for_intake,
    record_contents,
    sole_intake,
)
from pipeline.ingest.record import secure_originals
from pipeline.ingest.request import Request
from pipeline.ingest.routing import routed_collection
from pipeline.ingest.submit import check, new_job, record_job
from pipeline.ingest.submit_options import IdempotentRequest, SubmitOptions, find_answer, store_answer, stored_answer
from pipeline.ingest.text_lines import RefusedLine, TextRecord, read_records
from pipeline.names import TEXT
from pipeline.results import RefusedText, TextsReport
from pipeline.services import Services

__all__ = ["ingest_texts", "open_texts_job", "submit_texts"]

MOST_LISTED = 1000
"""Refused lines that an answer lists."""

MEDIA_TYPE = "text/plain"


def submit_texts(
    services: Services,
    request: Request,
    file: BinaryIO,
    options: SubmitOptions | None = None,
    say: Callable[[str], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> TextsReport:
    """Take the records of a file as a job; all are durable when this returns.

    The same request with the same Idempotency-Key gets the same answer. If the first one was broken off, it goes on in
    the same job, as long as that waits for it (the setting `api_idle_s`).

    Args:
        services: the engine's services.
        request: collection, workflow and priority; its paths and tags are not used.
        file: one JSON object a line, which can be read twice.
        options: Idempotency-Key, API key, and the most records.
        say: takes lines for the user on a full disk, where this waits for room; what it raises ends it.
        on_progress: called with the number of records that are durable so far; what it raises ends this.

    Raises:
        BadRequest: there is no record in the file, or the request is wrong.
        BodyTooLarge: there are too many records.
        OtherRequest: the Idempotency-Key stands for another request.
        InProgress: the same request is being carried out.
        SpaceMismatch: a collection holds vectors of another model.
    """
    options = options or SubmitOptions()
    job_id, earlier = open_texts_job(services, request, file, options)
    if earlier is not None:
        return earlier
    if options.idempotent is None:
        return ingest_texts(services, job_id, file, on_progress, say)
    with sole_intake(services, job_id), closing_on_interrupt(services, job_id):
        # The first one may have ended since the job was looked up.
        earlier = _report_of(stored_answer(services, options.idempotent) or {})
        if earlier is not None:
            return earlier
        report = _record(services, job_id, file, on_progress, say)
        # In one transaction: the request may be sent again when the job has ended.
        close_intake(services, job_id, say, partial(_replace_answer, options.idempotent, report))
        return report


def open_texts_job(
    services: Services, request: Request, file: BinaryIO, options: SubmitOptions | None = None
) -> tuple[str, TextsReport | None]:
    """Check the request and every line of the file, and record a job for its records.

    A request with an Idempotency-Key that was broken off has one already, which takes its other records; a job that has
    ended takes no more.

    Returns:
        The job's id, and the answer if the request was carried out before.

    Raises:
        PipelineError: what `submit_texts` raises.
    """
    options = options or SubmitOptions()
    check(services, request)
    found = _survey(file, options.most_records)
    with services.catalog.connect() as connection:
        for name in sorted(found.collections):
            collections.check_space(connection, name, services.fingerprint)
    job = new_job(services, request)

    with writing(services.catalog) as connection:
        answer = find_answer(connection, options.idempotent)
        if answer is None or _has_ended(connection, answer):
            record_job(connection, services, request, found.sizes, job=job)
            attach(connection, job.id, options.hook, options.key_id)
            answer = {"job_id": job.id}
            if options.idempotent is not None:
                _await_request(connection, services, options.idempotent, answer)
    return str(answer["job_id"]), _report_of(answer)


def _has_ended(connection: Connection, answer: Mapping[str, Any]) -> bool:
    """Whether a request was broken off, and its job has ended without it."""
    if _report_of(answer) is not None:
        return False
    job = jobs.row(connection, answer["job_id"])
    return job is not None and job.finished_at is not None and job.cancelled_at is None


def _await_request(
    connection: Connection, services: Services, idempotent: IdempotentRequest, answer: dict[str, Any]
) -> None:
    """Store the job of a request, and keep it open: should the request break off, it is awaited once more."""
    idempotency.forget_answer(connection, idempotent.scope)
    store_answer(connection, idempotent, answer)
    jobs.keep_open(connection, answer["job_id"], services.settings.api_idle_s)


def ingest_texts(
    services: Services,
    job_id: str,
    file: BinaryIO,
    on_progress: Callable[[int], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> TextsReport:
    """Ingest the records of a file for a job, group by group; it may be done again for the same job and file.

    No other process may do so at the same time.

    Args:
        services: the engine's services.
        job_id: a job that `open_texts_job` has opened; it is closed when this returns.
        file: that job's file.
        on_progress: called with the number of records that are durable so far.
        say: as in `submit_texts`.
    """
    with intake_heartbeat(services, job_id), closing_on_interrupt(services, job_id):
        report = _record(services, job_id, file, on_progress, say)
        close_intake(services, job_id, say)
        return report


def _record(
    services: Services,
    job_id: str,
    file: BinaryIO,
    on_progress: Callable[[int], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> TextsReport:
    """Record the records of a file for a job, group by group."""
    states, refused = Counter[str](), _Refused()
    file.seek(0)
    groups = pack_for_intake(services.settings, refused.left_out(read_records(file)), lambda record: len(record.data))
    put = partial(secure_originals, services.drafts)

    def record_group(job: Job, group: list[TextRecord]) -> bool:
        contents = [_content(job, record) for record in group]
        results = record_contents(services, job, contents, put=put)
        states.update(result.state for result in results or ())
        return results is not None

    ingest_groups(services, job_id, groups, record_group, on_progress, say)
    return TextsReport(
        job_id=job_id,
        records=states.total(),
        queued=states["queued"],
        unchanged=states["unchanged"],
        failed=states["failed"],
        refused=refused.number,
        errors=refused.listed,
    )


def _replace_answer(idempotent: IdempotentRequest, report: TextsReport, connection: Connection) -> None:
    idempotency.replace_answer(connection, idempotent.scope, report.model_dump())


def _report_of(answer: Mapping[str, Any]) -> TextsReport | None:
    """A stored answer; None for that of a request under way, or broken off, which holds the job alone."""
    return TextsReport(**answer) if len(answer) > 1 else None


@dataclass(frozen=True, slots=True)
class _Survey:
    """What is in a file: the sizes of its records in bytes, and the collections that they name."""

    sizes: list[int]
    collections: set[str]


def _survey(file: BinaryIO, most: float) -> _Survey:
    """Read a file once before anything is recorded.

    Raises:
        BadRequest: there is no record in it, or too much else.
        BodyTooLarge: it has more than `most` records.
    """
    found, first = _Survey([], set()), None
    file.seek(0)
    for record in read_records(file):
        if isinstance(record, RefusedLine):
            first = first or record
            continue
        found.sizes.append(len(record.data))
        if len(found.sizes) > most:
            raise BodyTooLarge(f"One request takes {most:,} records at most.", "Send them in several requests.")
        found.collections.update({record.collection} if record.collection else ())
    if not found.sizes:
        if first is None:
            raise BadRequest("There are no records.", 'Write one JSON object on each line: {"id": "1", "text": "…"}')
        problem = first.result()
        raise BadRequest(f"No line is a record. Line {first.number}: {problem.message}", problem.hint)
    return found


@dataclass
class _Refused:
    """The lines of a file that are no records: how many, and the first of them."""

    number: int = 0
    listed: list[RefusedText] = field(default_factory=list)

    def left_out(self, records: Iterable[TextRecord | RefusedLine]) -> Iterator[TextRecord]:
        """Yield the records, and note the other lines."""
        for record in records:
            if isinstance(record, TextRecord):
                yield record
                continue
            self.number += 1
            if self.number <= MOST_LISTED:
                self.listed.append(record.result())


def _content(job: Job, record: TextRecord) -> FileContent:
    """A record as intake takes files, with the collection that it goes to if that is not the job's own."""
    tags = None if record.tags is None else tuple(record.tags)
    digest = sha256(record.data).hexdigest()
    file = FileRecord(TEXT + record.id, digest, len(record.data), time.time(), record.metadata, tags)
    collection = record.collection or routed_collection(job.plan, MEDIA_TYPE)
    return FileContent(file, record.data, None, None if collection == job.collection else collection)
