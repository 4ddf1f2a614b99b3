"""Retry failed documents as new jobs: from the file as it is now, or from the copy that intake kept of it."""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import structlog

from extractors.options import OcrMode
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord, newest
from pipeline.catalog.index import collections
from pipeline.catalog.work import batches, failure_list, failures, jobs
from pipeline.catalog.work.failure_list import ChosenFailure, FailureClass, FailureFilter
from pipeline.catalog.work.jobs import Job, JobTerms
from pipeline.engine.admission import admit_safely
from pipeline.engine.unserved import check_served
from pipeline.errors import UnknownId
from pipeline.ingest.intake import ingest_files, intake_heartbeat
from pipeline.ingest.placement import placement_of
from pipeline.ingest.roots import find_again
from pipeline.ingest.submit import plan_for
from pipeline.ingest.walk import source_of_path
from pipeline.services import Services
from pipeline.spool import original_key
from pipeline.types import NamedPaths

__all__ = ["Choice", "choose", "retry"]

log = structlog.get_logger()

TOGETHER = 500
"""Documents that one transaction begins again: other writers wait for its end."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Failures that are to be retried, and those that are left alone because their documents are in quarantine."""

    failures: list[ChosenFailure]
    left: list[ChosenFailure]

    def classes(self) -> list[FailureClass]:
        """How many are retried of each code and stage, the most first."""
        numbers = Counter((failure.code, failure.stage) for failure in self.failures)
        return [FailureClass(*key, number, 0) for key, number in numbers.most_common()]


def retry(services: Services, choice: Choice) -> list[str]:
    """Retry failed documents.

    Returns:
        Ids of the new jobs, one for each collection, workflow and its options, OCR mode, and what had been named at
        first.

    Raises:
        SpaceMismatch: a collection was made with another model than the configured one.
        NoWorker: the private stack that runs cannot do a workflow.
    """
    groups: dict[_Group, list[ChosenFailure]] = defaultdict(list)
    with services.catalog.connect() as connection:
        submitted = failures.submitting_jobs(connection, [failure.document_id for failure in choice.failures])
        origins = {
            failure.document_id: submitted.get(failure.document_id, failure.job_id) for failure in choice.failures
        }
        terms = jobs.terms(connection, set(origins.values()))
        named = jobs.named_paths(connection, set(origins.values()))
    for failure in choice.failures:
        origin = origins[failure.document_id]
        asked = terms.get(origin) or JobTerms(services.settings.workflow, {}, None)
        options = json.dumps(asked.parameters, sort_keys=True)
        common = _Group(failure.collection, asked.workflow, options, asked.ocr, named.get(origin, NamedPaths(())))
        groups[common].append(failure)
    return [_retry(services, common, group) for common, group in groups.items()]


class _Group(NamedTuple):
    """What the failures that one job retries have in common."""

    collection: str
    workflow: str
    options: str
    """Parameters that the job was given, as JSON."""
    ocr: OcrMode | None
    named: NamedPaths


def choose(services: Services, names: Sequence[str], where: FailureFilter, *, force: bool = False) -> Choice:
    """Choose failures: of documents, sources or jobs with these names, or all. Only the catalog is read.

    Args:
        services: those of this process.
        names: documents, sources or jobs; empty for all failures.
        where: conditions that a failure meets besides.
        force: choose documents in quarantine too.

    Raises:
        UnknownId: one of the documents has not failed.
    """
    with services.catalog.connect() as connection:
        chosen = failure_list.list_chosen(connection, where)
    if names:
        chosen = _named(chosen, names)
    left = [failure for failure in chosen if not force and failure.fatal_attempts >= where.quarantine_after]
    kept = {failure.document_id for failure in left}
    return Choice([failure for failure in chosen if failure.document_id not in kept], left)


def _named(failed: Sequence[ChosenFailure], names: Sequence[str]) -> list[ChosenFailure]:
    """The failures of documents, sources and jobs with these names, each once.

    Raises:
        UnknownId: a name is that of none.
    """
    by_name: dict[str, list[ChosenFailure]] = defaultdict(list)
    for failure in failed:
        for name in {failure.document_id, failure.job_id, failure.source}:
            by_name[name].append(failure)
    chosen: dict[str, ChosenFailure] = {}
    for name in names:
        matches = [*by_name.get(name, ()), *by_name.get(source_of_path(name), ())]
        if not matches:
            raise UnknownId(f"No failed document, and no job with one, is named {name}.", "See: docrelay failures list")
        chosen |= {failure.document_id: failure for failure in matches}
    return list(chosen.values())


def _retry(services: Services, common: _Group, group: Sequence[ChosenFailure]) -> str:
    request_id = uuid.uuid4().hex[:12]
    collection, workflow, options, ocr, named = common
    plan = plan_for(services, workflow, json.loads(options))
    check_served(services, plan)
    job = Job(collection, workflow, services.settings.priority, plan, ocr)
    candidates = {failure.document_id: find_again(services.settings, named, failure.source) for failure in group}
    gone = [failure for failure in group if candidates[failure.document_id].problem is not None]
    copies = _kept_copies(services, gone)
    weight = sum(candidate.size + jobs.OVERHEAD_BYTES for candidate in candidates.values())
    space = services.fingerprint

    def record_job() -> None:
        with writing(services.catalog) as connection:
            collections.register(connection, collection, space, services.spec)
            jobs.create(connection, job, request_id, weight, named=named)

    services.with_model_facts(record_job)
    log.info("job.opened", request=request_id, job=job.id, collection=collection, documents=len(group))
    with intake_heartbeat(services, job.id):
        begun: set[str] = set()
        for document_ids in split_list(candidates, TOGETHER):
            begun |= services.with_model_facts(partial(_begin, services, job, document_ids, copies))
        admit_safely(services)
        rest = [candidate for document_id, candidate in candidates.items() if document_id not in begun]
        ingest_files(services, job.id, rest)
    return job.id


def _begin(services: Services, job: Job, document_ids: Sequence[str], copies: Mapping[str, FileRecord]) -> set[str]:
    """Begin those of these documents again of whose files there are copies; other processes write in between.

    Returns:
        Ids of the documents whose files need not be read.
    """
    some = {document_id: copies[document_id] for document_id in document_ids if document_id in copies}
    with writing(services.catalog) as connection:
        if jobs.is_cancelled(connection, job.id):
            return set()
        begun = _begin_from_copies(services, connection, job, some)
        # The user who retries may have changed what the files failed for.
        failures.forget_readings(connection, document_ids)
    for file in some.values():  # once more after the commit: see `pipeline.stages.discard`
        services.spool.renew(original_key(file.content_sha256, file.source))
    return begun


def _kept_copies(services: Services, group: Sequence[ChosenFailure]) -> dict[str, FileRecord]:
    """Copies that intake kept of files that cannot be read now, by document id.

    They are renewed where the spool can do that. No process removes them anyway while their failures are open.
    """
    copies: dict[str, FileRecord] = {}
    with services.catalog.connect() as connection:
        versions = {failure.document_id: newest(connection, failure.document_id) for failure in group}
    for failure in group:
        row = versions[failure.document_id]
        if row is None:
            continue
        key = original_key(row.content_sha256, failure.source)
        # A store renews an old copy only by writing it again, and then `renew` returns False though it is there.
        if services.spool.renew(key) or services.spool.exists(key):
            record = FileRecord(failure.source, row.content_sha256, row.size, row.modified_at, row.metadata or {})
            copies[failure.document_id] = record
    return copies


def _begin_from_copies(
    services: Services, connection: Connection, job: Job, copies: Mapping[str, FileRecord]
) -> set[str]:
    """Begin documents again with the copies of their files.

    Returns:
        Ids of the documents whose files need not be read.
    """
    placement, recipe = placement_of(services, connection, job)
    fresh: list[str] = []
    for document_id, file in copies.items():
        row = newest(connection, document_id)
        if row is None or row.content_sha256 != file.content_sha256:
            continue  # its file came back meanwhile, and another process ingested it
        recorded = records.record(connection, job.id, recipe, file, placement)
        fresh += [recorded.attempt_id] if recorded.outcome == "new" and recorded.attempt_id else []
    for attempt_ids in split_list(fresh, services.settings.batch_documents):
        batches.create(connection, job.id, job.priority, attempt_ids)
    return set(copies)
