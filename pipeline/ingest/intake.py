"""Intake: hash, dedupe, copy in, record in the catalog, hand over in batches. Every door comes through here."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import records, tagging
from pipeline.catalog.documents.versions import Found
from pipeline.catalog.work import failures, jobs, ledger, orders
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.engine.admission import admit
from pipeline.engine.heartbeat import heartbeat_timeout_s, intake_node, start_heartbeat
from pipeline.errors import Changing, NotAFile, Rejected, TooLargeToTake, Unreadable
from pipeline.gate import INTAKE, pass_gate
from pipeline.ingest.placement import placement_of
from pipeline.ingest.roots import open_within
from pipeline.ingest.routing import media_type_of, routed_collection, sidecar_metadata, without_sidecars
from pipeline.ingest.walk import Candidate
from pipeline.points.labels import relabel
from pipeline.services import Services
from pipeline.spool import Spool, original_key

__all__ = ["FileContent", "Outcome", "ingest_files", "record", "take"]

READS = 3
"""How often a file that changes while it is read is read again."""

PAUSE_S = 0.2

COURTESY_S = 0.05
"""After each group the others get a turn: SQLite's writers wait by polling, and would not find a gap in between."""

BLOCK = 1 << 20
IN_MEMORY = 4 << 20
"""Files up to this size are held in memory while they are hashed, so that an unchanged one is never written."""

FIRST_BATCH = 4
"""Documents of a job's first batch; it doubles up to `batch_documents`, so that all stages are busy soon."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file's content while intake holds it: in memory, or in a temporary file."""

    found: Found
    data: bytes | None
    draft: Path | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file at intake: its document is queued, unchanged, or failed for this cause."""

    document_id: str
    source: str
    size: int
    state: Literal["queued", "unchanged", "failed"]
    cause: Failure | None = None

    @property
    def running(self) -> bool:
        """Whether its job waits for it."""
        return self.state == "queued"


def ingest_files(
    services: Services, job_id: str, candidates: Iterable[Candidate], tell: Callable[[int], None] | None = None
) -> None:
    """Take files into a job, batch by batch; returns when all are durable in the catalog.

    A job that is cancelled, or whose user ends it (Ctrl-C), is closed to more files; those taken go on. After an error
    it stays open: an order is carried out again, and of other jobs the reconciler closes those whose door is gone.

    Args:
        services: the engine's services.
        job_id: a job whose intake is open; it is closed when this returns.
        candidates: what the walk found.
        tell: called with the number of files taken so far.
    """
    settings, number = services.settings, 0
    # As long as this heart beats, the reconciler leaves the job open for more.
    stop = start_heartbeat(
        services.redis,
        intake_node(job_id),
        settings.heartbeat_s,
        heartbeat_timeout_s(settings.dead_after_s),
        holds_messages=False,
    )
    try:
        for group in _groups(services, candidates):
            if not _take_group(services, job_id, group):
                break
            number += len(group)
            pass_gate(INTAKE, job_id)
            time.sleep(COURTESY_S)
            if tell is not None:
                tell(number)
        _close(services, job_id)
    except KeyboardInterrupt:
        _close(services, job_id)
        raise
    finally:
        stop()
        services.announce(job_id)


def _close(services: Services, job_id: str) -> None:
    with writing(services.catalog) as connection:
        # Together: an order of a closed job would be carried out again, and the job finish twice.
        orders.done(connection, job_id)
        jobs.finish_intake(connection, job_id)


def take(path: Path, source: str, max_bytes: int, drafts: Path, within: tuple[Path, ...] | None = None) -> FileContent:
    """Read a file once: its hash and its content, which are of one moment.

    Raises:
        Rejected: it lies outside `within`, is no regular file, cannot be read, is too large, or changes meanwhile.
    """
    for trial in range(READS):
        if trial:
            time.sleep(PAUSE_S)
        taken = _read(path, source, max_bytes, drafts, within)
        if taken is not None:
            return taken
    raise Changing


def _read(path: Path, source: str, max_bytes: int, drafts: Path, within: tuple[Path, ...] | None) -> FileContent | None:
    try:
        descriptor = open_within(path, within)
    except OSError as error:
        raise Unreadable(f"The file cannot be opened: {error.strerror}.") from error
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise NotAFile
        if before.st_size > max_bytes:
            raise TooLargeToTake
        digest, data, draft, size = _copy(file, before.st_size, drafts)
        after = os.fstat(descriptor)
    if (size, after.st_size, after.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns):
        _drop(draft)
        return None
    return FileContent(Found(source, digest, size, before.st_mtime), data, draft)


def _copy(file: BinaryIO, size: int, drafts: Path) -> tuple[str, bytes | None, Path | None, int]:
    if size <= IN_MEMORY:
        data = _read_some(file, size + 1)
        return hashlib.sha256(data).hexdigest(), data, None, len(data)
    digest, count = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(dir=drafts, delete=False) as out:
        draft = Path(out.name)
        try:
            while count <= size and (block := _read_some(file, BLOCK)):
                digest.update(block)
                out.write(block)
                count += len(block)
        except BaseException:
            draft.unlink()
            raise
    return digest.hexdigest(), None, draft, count


def _read_some(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise Unreadable(f"The file cannot be read: {error.strerror}.") from error


def _groups(services: Services, candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    settings = services.settings
    most, limit, weight = settings.batch_documents, settings.batch_mb << 20, 0
    size, group = min(FIRST_BATCH, most), list[Candidate]()
    for candidate in candidates:
        if group and (len(group) >= size or weight + candidate.size > limit):
            yield group
            size, group, weight = min(size * 2, most), [], 0
        group.append(candidate)
        weight += candidate.size
    if group:
        yield group


def _take_group(services: Services, job_id: str, group: list[Candidate]) -> bool:
    """Take one group in; False when the job was cancelled meanwhile."""
    taken: list[FileContent] = []
    refused: list[tuple[Candidate, Rejected]] = []
    drafts = services.drafts
    with services.catalog.connect() as connection:
        job = jobs.get(connection, job_id)
    for candidate in without_sidecars(job.plan, group):
        try:
            if candidate.problem is not None:
                raise candidate.problem
            metadata = sidecar_metadata(job.plan, candidate.path, candidate.within)
            held = take(candidate.path, candidate.source, services.settings.max_file_mb << 20, drafts, candidate.within)
            taken.append(replace(held, found=replace(held.found, metadata=metadata, tags=candidate.tags)))
        except Rejected as error:
            refused.append((candidate, error))
    with writing(services.catalog) as connection:
        if jobs.is_cancelled(connection, job_id):
            return False
        jobs.reopen(connection, job_id)
        record(connection, services, job, taken)
        for candidate, reason in refused:
            cause = Failure("intake", reason.code, reason.message, reason.hint)
            identity = records.reject(connection, job_id, candidate.source, candidate.size, cause, job.collection)
            tagging.give(connection, identity, candidate.tags)
    for item in taken:
        _drop(item.draft)
    admit(services)
    relabel(services)
    services.announce(job_id)
    return True


def _keep(spool: Spool, taken: Iterable[FileContent]) -> None:
    for item in taken:
        key = original_key(item.found.content_sha256, item.found.source)
        if spool.exists(key):
            continue  # the draft is its owner's to drop: all this may have to be done again
        if item.data is not None:
            spool.write(key, item.data)
        elif item.draft is not None:
            spool.put_file(key, item.draft)


def record(connection: Connection, services: Services, job: Job, taken: list[FileContent]) -> list[Outcome]:
    """Write down what was taken, in one transaction: versions, attempts, a batch, and the copies in the spool."""
    by_collection: dict[str | None, list[FileContent]] = defaultdict(list)
    for item in taken:
        by_collection[_routed(services, job, item)].append(item)
    return [
        outcome
        for routed, group in by_collection.items()
        for outcome in _record_group(connection, services, job, routed, group)
    ]


def _routed(services: Services, job: Job, item: FileContent) -> str | None:
    content = item.draft if item.data is None else item.data
    if not job.plan.route or content is None:
        return None
    return routed_collection(job.plan, media_type_of(item.found.source, content, services.settings.options))


def _record_group(
    connection: Connection, services: Services, job: Job, routed: str | None, taken: list[FileContent]
) -> list[Outcome]:
    """Record files that go to one collection; a batch never holds documents of two."""
    batch_id = str(uuid.uuid4())
    place, recipe = placement_of(services, connection, job, routed)
    place = replace(place, batch_id=batch_id)
    known = records.known(connection, place.collection, [item.found.source for item in taken])
    suspects = failures.sources_with_reading(connection, place.collection, services.reading, known)
    outcomes: list[Outcome] = []
    fresh: list[FileContent] = []
    for item in taken:
        found = item.found
        cause = None
        if found.source in suspects:
            cause = records.still_failing(connection, place.collection, recipe, services.reading, found)
        if cause is not None:
            identity = records.reject(connection, job.id, found.source, found.size, cause, place.collection)
            tagging.give(connection, identity, found.tags)
            outcomes.append(Outcome(identity, found.source, found.size, "failed", cause))
            continue
        made = records.record(connection, job.id, recipe, found, place, is_new=found.source not in known)
        known.add(found.source)
        state: Literal["queued", "unchanged"] = "unchanged" if made.outcome == "unchanged" else "queued"
        outcomes.append(Outcome(made.document_id, found.source, found.size, state))
        if made.outcome == "new":
            fresh.append(item)
    # Before the catalog names them, and under its lock: the sweep cannot come between.
    _keep(services.spool, fresh)
    if fresh:
        ledger.add_batch(connection, batch_id, job.id, job.priority)
    return outcomes


def _drop(draft: Path | None) -> None:
    if draft is not None:
        draft.unlink(missing_ok=True)
