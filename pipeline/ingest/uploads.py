"""Files that come over a wire instead of a path: written as they arrive, durable before anybody is told so."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.catalog import Connection
from pipeline.catalog.api import idempotency
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import jobs
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.outbox import Hook, attach
from pipeline.errors import Conflict, Invalid, TooLargeToTake, UnknownId
from pipeline.ingest.content import FileContent
from pipeline.ingest.record import Outcome, record
from pipeline.ingest.request import Request
from pipeline.ingest.submit import record_job
from pipeline.plan import Plan
from pipeline.services import Services
from pipeline.spool import Kept, original_key
from pipeline.types import canonical

__all__ = ["Draft", "Extra", "Once", "Upload", "answered", "fingerprint", "source_of", "take_uploads"]

SCHEME = "upload://"
LONGEST_NAME = 255
LONGEST_SOURCE = 2000
URI = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://.", re.IGNORECASE)


FEW, FEW_BYTES = 4, 1 << 20
"""So much is on the disk soon: the catalog is written meanwhile. For more the disk is waited for first."""

HOLD_S = 0.05
"""Longest wait for the disk with the write lock in hand."""


class _Late(Exception):
    """The disk takes long."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file that has arrived whole."""

    source: str
    content_sha256: str
    size: int
    draft: Path
    metadata: Mapping[str, Any] = field(default_factory=dict)
    kept: Kept = lambda _seconds=None: None
    """Waits until its bytes are safe on the disk."""


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a request one that is carried out once: whose key it is, and the whole of what it asks for."""

    scope: str
    request: str


@dataclass(frozen=True, slots=True)
class Extra:
    """What a door knows of a request beside its documents.

    `job` is one that was left open, to which the files are added; `more` leaves the job open for further ones.
    """

    once: Once | None = None
    hook: Hook | None = None
    key_id: str | None = None
    job: str | None = None
    more: bool = False


class Draft:
    """A file on its way in: hashed as it is written, in a folder that is swept when nobody finishes it."""

    def __init__(self, services: Services) -> None:
        descriptor, name = tempfile.mkstemp(dir=services.drafts)
        self._services = services
        self._file = os.fdopen(descriptor, "wb")
        self._path = Path(name)
        self._digest = sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            TooLargeToTake: they are too many.
        """
        self._size += len(data)
        most = self._services.settings.max_file_mb
        if self._size > most << 20:
            raise TooLargeToTake(f"The file has more than {most} MB, which is the limit.")
        self._digest.update(data)
        self._file.write(data)

    def finish(self, source: str) -> Upload:
        """The whole file, on its way to the disk under its content's name."""
        self._file.close()
        content = self._digest.hexdigest()
        kept = self._services.spool.secure(original_key(content, source), self._path)
        return Upload(source, content, self._size, self._path, kept=kept)

    def drop(self) -> None:
        """Forget it."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def source_of(name: str, given: str | None = None) -> str:
    """The source of an uploaded file: what its sender calls it, never a path of this machine.

    Args:
        name: the file's name as it was sent; folders in it are left out.
        given: the source that the sender wants, a URI.

    Raises:
        Invalid: control characters, or too long, or a source that is no URI or one of a local file.
    """
    if given is not None:
        if not URI.match(given):
            raise Invalid("A source must be a URI like https://… or crm://…, and none of a file on this machine.")
        return _checked(given, LONGEST_SOURCE, "source")
    plain = re.split(r"[/\\]", name)[-1].strip() or "unnamed"
    return SCHEME + _checked(plain, LONGEST_NAME, "name of a file")


def take_uploads(
    services: Services, writer: GroupWriter, request: Request, uploads: Sequence[Upload], extra: Extra
) -> dict[str, Any]:
    """Make a job of files that have arrived; when it returns, the catalog has it for good.

    Returns:
        `job_id`, and of every document its id, source, size and outcome so far. The same again for a request
        that was carried out before.

    Raises:
        OtherRequest: the Idempotency-Key stands for another request.
        Conflict: the job that the files are for waits for none, or is of another kind.
        SpaceMismatch: the collection holds vectors of another model.
    """
    now = time.time()
    tags = canonical(request.tags)
    taken = [
        FileContent(FileRecord(one.source, one.content_sha256, one.size, now, one.metadata, tags), None, one.draft)
        for one in uploads
    ]

    def change(connection: Connection) -> dict[str, Any]:
        before = extra.once and idempotency.find_answer(connection, extra.once.scope, extra.once.request)
        if before:
            return before
        job = _job(connection, services, request, uploads, extra)
        outcomes = {one.source: one for one in record(connection, services, job, taken)}
        if extra.more:
            jobs.keep_open(connection, job.id, services.settings.api_idle_s)
        elif extra.job is not None or not any(one.running for one in outcomes.values()):
            jobs.finish_intake(connection, job.id)
        answer = {"job_id": job.id, "documents": [_told(outcomes[one.source]) for one in uploads]}
        if extra.once is not None:
            idempotency.store_answer(connection, extra.once.scope, extra.once.request, answer)
        # The rows must not outlast a power cut that takes the bytes.
        if not _are_kept(uploads, HOLD_S):
            raise _Late
        return answer

    try:
        if len(uploads) > FEW or sum(one.size for one in uploads) > FEW_BYTES:
            _are_kept(uploads)
        try:
            return writer.do(change)
        except _Late:
            _are_kept(uploads)
            return writer.do(change)
    finally:
        for one in uploads:
            one.draft.unlink(missing_ok=True)


def _are_kept(uploads: Sequence[Upload], seconds: float | None = None) -> bool:
    """Whether the disk has all of them, be it within this time. Raises OSError: it does not take them."""
    until = None if seconds is None else time.monotonic() + seconds
    try:
        for one in uploads:
            one.kept(None if until is None else max(until - time.monotonic(), 0.0))
    except TimeoutError:
        if until is None:
            raise
        return False
    return True


def answered(services: Services, once: Once | None) -> dict[str, Any] | None:
    """What a request was answered that was carried out before, whatever has become of its files since.

    Raises:
        OtherRequest: the Idempotency-Key stands for another request.
    """
    if once is None:
        return None
    with services.catalog.connect() as connection:
        return idempotency.find_answer(connection, once.scope, once.request)


def fingerprint(facts: Mapping[str, Any], uploads: Sequence[Upload]) -> str:
    """What a request asks for, however it was put on the wire."""
    files = [(one.source, one.content_sha256, json.dumps(dict(one.metadata), sort_keys=True)) for one in uploads]
    return sha256(repr((sorted(facts.items()), files)).encode("utf-8", "surrogatepass")).hexdigest()


def _job(connection: Connection, services: Services, request: Request, uploads: Sequence[Upload], extra: Extra) -> Job:
    if extra.job is None:
        sizes = [one.size for one in uploads]
        begun = record_job(connection, services, request, sizes, closed=not extra.more)
        attach(connection, begun.id, extra.hook, extra.key_id)
        return begun
    if not jobs.exists(connection, extra.job):
        raise UnknownId(f"There is no job {extra.job}.")
    job = jobs.open_for_uploads(connection, extra.job)
    if job is None:
        raise Conflict(f"The job {extra.job} waits for no further files.", "Begin a new one.")
    asked = {"collection": request.collection, "workflow": request.workflow, "priority": request.priority}
    other = [name for name, value in asked.items() if value is not None and value != getattr(job, name)]
    if request.options is not None and request.options != Plan.from_json(job.plan).told:
        other.append("options")
    if other or extra.hook is not None:
        name = other[0] if other else "webhook"
        raise Conflict(f"The job was begun with another {name}.", "Leave it out, or begin a new job.")
    return jobs.get(connection, extra.job)


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "document_id": outcome.document_id,
        "source": outcome.source,
        "size": outcome.size,
        "state": outcome.state,
        "code": outcome.cause and outcome.cause.problem.code,
        "message": outcome.cause and outcome.cause.problem.message,
    }


def _checked(text: str, longest: int, what: str) -> str:
    if len(text) > longest:
        raise Invalid(f"The {what} is longer than {longest} characters.")
    if not text.isprintable():
        raise Invalid(f"The {what} holds control characters.")
    return text
