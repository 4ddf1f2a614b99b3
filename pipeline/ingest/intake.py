"""Intake: hash, deduplicate, copy in, record in the catalog, pass on in batches. All files on a disk come in here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import attrgetter

import structlog

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import records, tagging
from pipeline.catalog.work import jobs, orders
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.engine.admission import admit
from pipeline.engine.heartbeat import heartbeat_timeout_s, intake_node, start_heartbeat
from pipeline.engine.room import with_room
from pipeline.errors import Rejected
from pipeline.errors.problem import problem_of
from pipeline.gates_for_tests import INTAKE, pass_gate
from pipeline.ingest.content import FileContent, drop, read_candidate
from pipeline.ingest.intake_traces import export_intake
from pipeline.ingest.packing import batch_limits, pack
from pipeline.ingest.record import NotCopied, look_up_unchanged, put_originals, record, route
from pipeline.ingest.sidecar import without_sidecars
from pipeline.ingest.walk import Candidate
from pipeline.points.labels import relabel
from pipeline.retries import needs_room
from pipeline.services import Services
from pipeline.settings.room import wait_for_room

__all__ = ["ingest_files", "intake_heartbeat"]

log = structlog.get_logger()

COURTESY_S = 0.05
"""Pause after each group: other writers of SQLite wait by polling, and would find no gap between the groups."""

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

    A job that is cancelled, or whose user ends it (Ctrl-C), is closed to more files; those ingested already go on.
    After an error it stays open: a path job is carried out again, and the reconciler closes other jobs once the
    heartbeat of their intake has ended.

    Args:
        services: the engine's services.
        job_id: a job whose intake is open; it is closed when this returns.
        candidates: the files, as the walk yields them.
        on_progress: called with the number of files ingested so far.
        say: takes lines for the user on a full disk, where intake waits for room.
    """
    settings, number = services.settings, 0
    limits = batch_limits(FIRST_BATCH, settings.batch_documents)
    with intake_heartbeat(services, job_id), _closing_on_interrupt(services, job_id):
        for group in pack(candidates, attrgetter("size"), limits, settings.batch_mb << 20):
            wait_for_room(settings, say=say)
            if not with_room(services, partial(_ingest_group, services, job_id, group), say):
                break
            number += len(group)
            pass_gate(INTAKE, job_id)
            time.sleep(COURTESY_S)
            if on_progress is not None:
                on_progress(number)
        with_room(services, lambda: _close(services, job_id), say)


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
def _closing_on_interrupt(services: Services, job_id: str) -> Iterator[None]:
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


def _close(services: Services, job_id: str) -> None:
    with writing(services.catalog) as connection:
        # In one transaction: the order of a closed job would be carried out again, and the job would end twice.
        orders.mark_done(connection, job_id)
        jobs.finish_intake(connection, job_id)


def _ingest_group(services: Services, job_id: str, group: list[Candidate]) -> bool:
    """Ingest one group; False if the job was cancelled meanwhile."""
    contents: list[FileContent] = []
    refused: list[tuple[Candidate, Rejected]] = []
    with services.catalog.connect() as connection:
        job = jobs.get(connection, job_id)
    for candidate in without_sidecars(job.plan, group):
        try:
            contents.append(read_candidate(services, job.plan, candidate))
        except Rejected as error:
            refused.append((candidate, error))
    try:
        routed = route(services, job, contents)
        if not services.with_model_facts(lambda: _record(services, job, routed, refused)):
            return False
    finally:
        for content in contents:
            drop(content.draft)
    admit(services)
    relabel(services)
    services.announce(job_id)
    return True


def _record(
    services: Services, job: Job, contents: Sequence[FileContent], refused: Sequence[tuple[Candidate, Rejected]]
) -> bool:
    """Record files with their copies in the spool, and those that are refused; False if the job was cancelled."""
    began = time.time()
    new, gone = look_up_unchanged(services, job, contents)
    copied = put_originals(services.spool, new)
    while True:
        try:
            with writing(services.catalog) as connection:
                if jobs.is_cancelled(connection, job.id):
                    return False
                jobs.reopen(connection, job.id)
                results = record(connection, services, job, contents, copied, gone)
                _reject(connection, job, refused)
            break
        except NotCopied as error:  # another process deleted or changed a document meanwhile
            copied |= put_originals(services.spool, error.contents)
    queued = {result.source for result in results if result.is_queued}
    put_originals(services.spool, [content for content in contents if content.file.source in queued])
    export_intake(services, job, results, began)
    return True


def _reject(connection: Connection, job: Job, refused: Sequence[tuple[Candidate, Rejected]]) -> None:
    for candidate, reason in refused:
        cause = Failure("intake", problem_of(reason))
        document_id = records.reject(connection, job.id, candidate.source, candidate.size, cause, job.collection)
        tagging.set_tags(connection, document_id, candidate.tags)
