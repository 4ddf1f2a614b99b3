"""Trying failed documents again, as new jobs: from the source as it is now, or from the copy that intake kept of it."""

from __future__ import annotations

import json
import os
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import structlog

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord, newest
from pipeline.catalog.index import collections
from pipeline.catalog.work import batches, failures, jobs
from pipeline.catalog.work.jobs import Job
from pipeline.engine.admission import admit_safely
from pipeline.engine.unserved import check_served
from pipeline.errors import UnknownId, Unreadable
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.placement import placement_of
from pipeline.ingest.roots import bounds, root_of
from pipeline.ingest.submit import plan_for
from pipeline.ingest.walk import Candidate, look, path_of, source_of
from pipeline.results import FailureRecord
from pipeline.services import Services
from pipeline.spool import original_key
from pipeline.types import NamedPaths

__all__ = ["choose", "retry"]

log = structlog.get_logger()


def retry(services: Services, identities: Sequence[str], *, code: str | None, job_id: str | None) -> list[str]:
    """Try again these failed documents, or all that match.

    Returns:
        Ids of the new jobs, one for each collection, workflow and its options, and for what had been named at first.

    Raises:
        UnknownId: one of the documents has not failed.
        SpaceMismatch: a collection was made with another model than the configured one.
        NoWorker: the private stack that runs cannot do a workflow.
    """
    groups: dict[_Group, list[FailureRecord]] = defaultdict(list)
    chosen = choose(services, identities, code=code, job_id=job_id)
    with services.catalog.connect() as connection:
        submitted = failures.submitting_jobs(connection, [one.document_id for one in chosen])
        origins = {one.document_id: submitted.get(one.document_id, one.job_id) for one in chosen}
        workflows = jobs.workflows(connection, set(origins.values()))
        named = jobs.named_paths(connection, set(origins.values()))
    for failure in chosen:
        origin = origins[failure.document_id]
        workflow, told = workflows.get(origin, (services.settings.workflow, {}))
        options = json.dumps(told, sort_keys=True)
        groups[_Group(failure.collection, workflow, options, named.get(origin, NamedPaths(())))].append(failure)
    return [_retry(services, kind, group) for kind, group in groups.items()]


class _Group(NamedTuple):
    """What failures have in common that are tried again in one job."""

    collection: str
    workflow: str
    options: str
    """Parameters that the job was given, as JSON."""
    named: NamedPaths


def choose(
    services: Services, identities: Sequence[str], *, code: str | None, job_id: str | None
) -> list[FailureRecord]:
    """The failures that are meant: of these documents, sources or jobs, or all; only the catalog is asked.

    Raises:
        UnknownId: one of the documents has not failed.
    """
    with services.catalog.connect() as connection:
        failed = failures.list_open(connection, code=code, job_id=job_id)
    if not identities:
        return failed
    chosen: dict[str, FailureRecord] = {}
    for identity in identities:
        path = source_of(Path(os.path.abspath(identity)))  # noqa: PTH100 - as intake named it
        found = [one for one in failed if {identity, path} & {one.document_id, one.job_id, one.source}]
        if not found:
            raise UnknownId(
                f"No failed document, and no job with one, is named {identity}.", "See: docrelay failures list"
            )
        chosen |= {one.document_id: one for one in found}
    return list(chosen.values())


def _retry(services: Services, kind: _Group, group: Sequence[FailureRecord]) -> str:
    request_id = uuid.uuid4().hex[:12]
    collection, workflow, options, named = kind
    plan = plan_for(services, workflow, json.loads(options))
    check_served(services, plan)
    job = Job(collection, workflow, services.settings.priority, plan)
    candidates = {failure.document_id: _from_source(services, named, failure) for failure in group}
    weight = sum(one.size + jobs.OVERHEAD_BYTES for one in candidates.values())
    with writing(services.catalog) as connection:
        collections.register(connection, collection, services.fingerprint, services.spec)
        jobs.create(connection, job, request_id, weight, told=named)
        kept = [one for one in group if candidates[one.document_id].problem is not None]
        taken = _take_from_spool(services, connection, job, kept)
        # The user who retries may know what is better now.
        failures.forget_readings(connection, [failure.document_id for failure in group])
    log.info("job.opened", request=request_id, job=job.id, collection=collection, documents=len(group))
    admit_safely(services)
    ingest_files(services, job.id, [one for identity, one in candidates.items() if identity not in taken])
    return job.id


def _from_source(services: Services, named: NamedPaths, failure: FailureRecord) -> Candidate:
    """The source as it is now, by the rule that intake had: what failed may have been mended there."""
    path, root = path_of(failure.source), root_of(named, failure.source)
    found = None
    if path.is_absolute() and root is not None:
        found = look(path, root, services.settings.max_file_mb << 20)
    if found is None or root is None:
        return Candidate(path, failure.source, 0, Unreadable("The file is not there any more."))
    return replace(found, within=bounds(named, root, services.settings.api_roots))


def _take_from_spool(services: Services, connection: Connection, job: Job, group: Sequence[FailureRecord]) -> set[str]:
    """Begin again with the copies that intake kept of sources that cannot be read now.

    Returns:
        The documents for which there is one.
    """
    place, recipe = placement_of(services, connection, job)
    taken: set[str] = set()
    fresh: list[str] = []
    for failure in group:
        found = _kept(services, connection, failure)
        if found is not None:
            recorded = records.record(connection, job.id, recipe, found, place)
            taken.add(failure.document_id)
            fresh += [recorded.attempt_id] if recorded.outcome == "new" and recorded.attempt_id else []
    size = services.settings.batch_documents
    for start in range(0, len(fresh), size):
        batches.create(connection, job.id, job.priority, fresh[start : start + size])
    return taken


def _kept(services: Services, connection: Connection, failure: FailureRecord) -> FileRecord | None:
    """The content that failed, if intake's copy of it is still there."""
    version = newest(connection, failure.document_id)
    if version is None or not services.spool.exists(original_key(version.content_sha256, failure.source)):
        return None
    return FileRecord(failure.source, version.content_sha256, version.size, version.modified_at, version.metadata or {})
