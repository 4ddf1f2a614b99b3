"""Intake: hash, deduplicate, copy in, record in the catalog, pass on in batches. All files on a disk come in here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import TypeAlias, TypeVar

import structlog

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import records, tagging
from pipeline.catalog.work import jobs, orders
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.engine.admission import admit
from pipeline.engine.heartbeat import claim_node, heartbeat_timeout_s, intake_node, start_heartbeat
from pipeline.engine.room import with_room
from pipeline.errors import InProgress, Rejected
from pipeline.errors.problem import problem_of
from pipeline.gates_for_tests import INTAKE, pass_gate
from pipeline.ingest.content import FileContent, drop, read_candidate
from pipeline.ingest.intake_traces import export_intake
from pipeline.ingest.packing import batch_limits, pack
from pipeline.ingest.record import NotCopied, look_up_unchanged, put_originals, record, route
from pipeline.ingest.results import IntakeResult
from pipeline.ingest.sidecar import without_sidecars
from pipeline.ingest.walk import Candidate
from pipeline.points.labels import relabel
from pipeline.retries import needs_room
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.settings.room import wait_for_room
from pipeline.spool import Spool

__all__ = [
    "close_intake",
    "closing_on_interrupt",
    "ingest_files",
    "ingest_groups",
    "intake_heartbeat",
    "pack_for_intake",
    "record_contents",
    "sole_intake",
]

log = structlog.get_logger()

T = TypeVar("T")

Put: TypeAlias = Callable[[Spool, Iterable[FileContent]], set[str]]
"""Makes copies of contents in the spool, and returns their keys: see `put_originals`."""

COURTESY_S = 0.05
"""Pause between two groups: other writers of SQLite wait by polling, and would find no gap between the groups."""

FIRST_BATCH = 4
"""Documents of a job's first batch; it doubles up to `batch_documents`, so that all stages are busy soon."""


def ingest_files(
    services: Services,
    job_id: str,
    candidates: Iterable[Candidate],
    on_progress: Callable[[int], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Ingest files for a job, batch by batch; returns when all are durable in the catalog.

    Args:
        services: the engine's services.
        job_id: a job whose intake is open; it is closed when this returns.
        candidates: the files, as the walk yields them.
        on_progress: called with the number of files ingested so far.
        say: takes lines for the user on a full disk, where intake waits for room.
    """
    groups = pack_for_intake(services.settings, candidates, attrgetter("size"))
    with intake_heartbeat(services, job_id), closing_on_interrupt(services, job_id):
        ingest_groups(services, job_id, groups, partial(_record_files, services), on_progress, say)
        close_intake(services, job_id, say)


def pack_for_intake(settings: Settings, items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Pack what is taken in into groups, each of which becomes a document batch for each collection."""
    return pack(items, size_of, batch_limits(FIRST_BATCH, settings.batch_documents), settings.batch_mb << 20)


def ingest_groups(
    services: Services,
    job_id: str,
    groups: Iterable[list[T]],
    record_group: Callable[[Job, list[T]], bool],
    on_progress: Callable[[int], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Record groups for a job one after another, and admit each; no more are read once the job is cancelled.

    After an error the job stays open: a path job is carried out again, and the reconciler closes other jobs once the
    heartbeat of their intake, which the caller sends, has ended.

    Args:
        services: the engine's services.
        job_id: a job whose intake is open.
        groups: what is taken in, none empty.
        record_group: records a group; False if the job was cancelled. It may be called again for the same group.
        on_progress: called with the number of items recorded so far.
        say: takes lines for the user on a full disk, where intake waits for room; what it raises ends the intake.
    """
    number = 0
    for group in groups:
        if number:
            time.sleep(COURTESY_S)
        wait_for_room(services.settings, say=say)
        if not with_room(services, partial(_ingest_group, services, job_id, group, record_group), say):
            break
        number += len(group)
        pass_gate(INTAKE, job_id)
        if on_progress is not None:
            on_progress(number)


def close_intake(
    services: Services,
    job_id: str,
    say: Callable[[str], None] | None = None,
    also: Callable[[Connection], None] | None = None,
) -> None:
    """Close a job to further documents.

    Args:
        services: the engine's services.
        job_id: the job.
        say: takes lines for the user on a full disk, where this waits for room; what it raises leaves the job open.
        also: what else is written in the same transaction.
    """
    with_room(services, lambda: _close(services, job_id, also), say)


@contextmanager
def intake_heartbeat(services: Services, job_id: str) -> Iterator[None]:
    """Send a heartbeat: as long as there is one, the reconciler leaves the job open for more files."""
    settings = services.settings
    node, timeout_s = intake_node(job_id), heartbeat_timeout_s(settings.dead_after_s)
    stop = start_heartbeat(services.redis, node, settings.heartbeat_s, timeout_s, holds_messages=False)
    try:
        yield
    finally:
        stop()
        services.announce(job_id)


@contextmanager
def sole_intake(services: Services, job_id: str) -> Iterator[None]:
    """The same as `intake_heartbeat`, for an intake that two processes might begin.

    Raises:
        InProgress: another one, in whichever process, has a heartbeat.
    """
    node, timeout_s = intake_node(job_id), heartbeat_timeout_s(services.settings.dead_after_s)
    if not claim_node(services.redis, node, timeout_s):
        raise InProgress
    with intake_heartbeat(services, job_id):
        yield


@contextmanager
def closing_on_interrupt(services: Services, job_id: str) -> Iterator[None]:
    """Close the job to more files when its user presses Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        try:
            _close(services, job_id)
        except Exception as error:
            if not needs_room(services.settings, error):
                raise
            # The reconciler closes it when there is room: the heartbeat of the intake ends now.
            log.warning("intake.not_closed", job=job_id, error=str(error))
        raise


def _close(services: Services, job_id: str, also: Callable[[Connection], None] | None = None) -> None:
    with writing(services.catalog) as connection:
        if also is not None:
            also(connection)
        # In one transaction: the order of a closed job would be carried out again, and the job would end twice.
        orders.mark_done(connection, job_id)
        jobs.finish_intake(connection, job_id)


def _ingest_group(
    services: Services, job_id: str, group: list[T], record_group: Callable[[Job, list[T]], bool]
) -> bool:
    """Record one group, and let the workers begin; False if the job was cancelled meanwhile."""
    with services.catalog.connect() as connection:
        job = jobs.get(connection, job_id)
    if not record_group(job, group):
        return False
    admit(services)
    relabel(services)
    services.announce(job_id)
    return True


def _record_files(services: Services, job: Job, group: list[Candidate]) -> bool:
    """Read and record one group of files; False if the job was cancelled meanwhile."""
    contents: list[FileContent] = []
    refused: list[tuple[Candidate, Rejected]] = []
    for candidate in without_sidecars(job.plan, group):
        try:
            contents.append(read_candidate(services, job.plan, candidate))
        except Rejected as error:
            refused.append((candidate, error))
    try:
        return record_contents(services, job, route(services, job, contents), refused) is not None
    finally:
        for content in contents:
            drop(content.draft)


def record_contents(
    services: Services,
    job: Job,
    contents: Sequence[FileContent],
    refused: Sequence[tuple[Candidate, Rejected]] = (),
    put: Put = put_originals,
) -> list[IntakeResult] | None:
    """Record contents with their copies in the spool, and files that are refused.

    Args:
        services: the engine's services.
        job: the job that they belong to.
        contents: routed ones.
        refused: files that cannot be read, with the reasons.
        put: makes the copies that are needed.

    Returns:
        The result of each content; None if the job was cancelled: then nothing is recorded.
    """
    return services.with_model_facts(lambda: _record(services, job, contents, refused, put))


def _record(
    services: Services,
    job: Job,
    contents: Sequence[FileContent],
    refused: Sequence[tuple[Candidate, Rejected]],
    put: Put,
) -> list[IntakeResult] | None:
    began = time.time()
    new, gone = look_up_unchanged(services, job, contents)
    copied = put(services.spool, new)
    while True:
        try:
            with writing(services.catalog) as connection:
                if jobs.is_cancelled(connection, job.id):
                    return None
                jobs.reopen(connection, job.id)
                results = record(connection, services, job, contents, copied, gone)
                _reject(connection, job, refused)
            break
        except NotCopied as error:  # another process deleted or changed a document meanwhile
            copied |= put(services.spool, error.contents)
    queued = {result.source for result in results if result.is_queued}
    put_originals(services.spool, [content for content in contents if content.file.source in queued])
    export_intake(services, job, results, began)
    return results


def _reject(connection: Connection, job: Job, refused: Sequence[tuple[Candidate, Rejected]]) -> None:
    for candidate, reason in refused:
        cause = Failure("intake", problem_of(reason))
        document_id = records.reject(connection, job.id, candidate.source, candidate.size, cause, job.collection)
        tagging.set_tags(connection, document_id, candidate.tags)
