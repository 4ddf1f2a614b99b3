"""Make documents anew through the usual stages: from kept texts and cached vectors, else from their files.

A new version is made and takes the place of the damaged one in one step, as when a file has changed. Nothing that is
still good is embedded again: the vectors of good points are put into the cache before the work begins.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from extractors.options import OcrMode
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents import records
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.versions import Placement, new_attempt
from pipeline.catalog.index import indexes
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.reindex import missing_documents
from pipeline.catalog.reindex.missing_documents import MissingDocument
from pipeline.catalog.work import batches, jobs
from pipeline.catalog.work.batches import plan_of_version
from pipeline.catalog.work.jobs import Job
from pipeline.engine.admission import admit_safely
from pipeline.ingest.content import FileContent, drop
from pipeline.ingest.record import put_originals
from pipeline.plan import Plan
from pipeline.reindex.source_files import key_of_original, read_now, unchanged_file
from pipeline.services import Services
from pipeline.stages.kept_texts import text_key_of
from pipeline.types import NamedPaths
from pipeline.verification.drift import Damaged
from pipeline.verification.texts import read_text

__all__ = ["Remade", "SourceNeeded", "remake"]

log = structlog.get_logger()

SLICE = 256
"""Documents that are begun at once; the next ones when these have ended."""


class SourceNeeded(NamedTuple):
    """A document that cannot be made anew: neither its text nor its file is there."""

    document_id: str
    collection: str
    source: str


@dataclass(frozen=True, slots=True)
class Remade:
    """Jobs in which documents were made anew, and documents for which a file is needed."""

    job_ids: tuple[str, ...]
    source_needed: tuple[SourceNeeded, ...]


class _Terms(NamedTuple):
    """What documents of one job have in common."""

    target: str
    workflow: str
    plan: str
    """The plan, written out: plans cannot be compared by hash."""
    ocr: OcrMode | None
    named: NamedPaths


@dataclass(frozen=True, slots=True)
class _Prepared:
    document: MissingDocument
    index: Index
    plan: Plan
    named: NamedPaths
    extraction: str
    recipe: str
    content: FileContent | None

    @property
    def terms(self) -> _Terms:
        return _Terms(self.index.name, self.document.workflow, repr(self.plan), self.document.ocr, self.named)


def remake(services: Services, damaged: Sequence[Damaged], priority: int, wait: Callable[[str], object]) -> Remade:
    """Make documents anew, a slice at a time.

    Args:
        services: the engine's services.
        damaged: the documents; those that have changed since are left out.
        priority: of the jobs.
        wait: waits for the end of a job.
    """
    job_ids, needed = list[str](), list[SourceNeeded]()
    for group in split_list(damaged, SLICE):
        prepared = list[_Prepared]()
        for item in _prepare(services, group):
            if isinstance(item, SourceNeeded):
                needed.append(item)
            else:
                prepared.append(item)
        begun = _begin(services, prepared, priority)
        job_ids += begun
        for job_id in begun:
            wait(job_id)
    return Remade(tuple(job_ids), tuple(needed))


def _prepare(services: Services, damaged: Sequence[Damaged]) -> Iterator[_Prepared | SourceNeeded]:
    """Find what each document is made anew from, and put copies of files into the spool."""
    bad_texts = {item.version_id for item in damaged if item.bad_text}
    index_of = {item.document_id: item.index for item in damaged}
    with services.catalog.connect() as connection:
        documents = missing_documents.live_documents(connection, [item.version_id for item in damaged])
        plans = {document.version_id: plan_of_version(connection, document.version_id) for document in documents}
        known = {name: indexes.get(connection, name) for name in set(index_of.values())}
        origins = jobs.of_documents(connection, [document.document_id for document in documents])
        named = jobs.named_paths(connection, set(origins.values()))
    for document in documents:
        paths = named.get(origins.get(document.document_id, ""), NamedPaths(()))
        index, plan = known[index_of[document.document_id]], plans[document.version_id]
        found = _source_of(services, document, (plan, paths), is_text_bad=document.version_id in bad_texts)
        if found is None:
            yield SourceNeeded(document.document_id, index.collection, document.file.source)
            continue
        ready, extraction, content = found
        recipe = services.recipe(index, extraction, plan)
        yield _Prepared(ready, index, plan, paths, extraction, recipe, content)


def _source_of(
    services: Services, document: MissingDocument, rules: tuple[Plan, NamedPaths], *, is_text_bad: bool
) -> tuple[MissingDocument, str, FileContent | None] | None:
    """What a document is made from: its kept text, the copy in the spool, its file, or its file as it is now.

    Returns:
        The document, by which extraction it is read, and the content of its file if that is to be copied; None if
        there is none of them.
    """
    key = text_key_of(document.file.content_sha256, document.file.source, document.extraction)
    is_usable = not is_text_bad and read_text(services, key) is not None
    if is_usable:
        return document, document.extraction, None
    anew = services.extraction_of(document.ocr)
    content = None
    if services.spool.renew(key_of_original(document)) or services.spool.exists(key_of_original(document)):
        found = document
    else:
        content = unchanged_file(services, document) if document.file.source.startswith("/") else None
        found = document
        if content is None:
            found, content = read_now(services, rules[0], document, rules[1])
            if content is None:
                return None
    # Only now: a text that cannot be used is in the way of reading the file, but may be all that there is.
    services.spool.delete(key)
    return found, anew, content


def _begin(services: Services, prepared: Sequence[_Prepared], priority: int) -> list[str]:
    """Begin the documents that are as they were, in a job for each terms. Returns the ids of the jobs."""
    contents = [item.content for item in prepared if item.content is not None]
    try:
        put_originals(services.spool, contents)
        groups: dict[_Terms, list[_Prepared]] = {}
        for item in prepared:
            groups.setdefault(item.terms, []).append(item)
        job_ids = [job_id for group in groups.values() if (job_id := _begin_group(services, group, priority))]
        put_originals(services.spool, contents)  # once more after the commit: see `pipeline.stages.discard`
    finally:
        for content in contents:
            drop(content.draft)
    admit_safely(services)
    return job_ids


def _begin_group(services: Services, group: Sequence[_Prepared], priority: int) -> str | None:
    first = group[0]
    job = Job(first.index.collection, first.document.workflow, priority, first.plan, first.document.ocr)
    weight = sum(item.document.file.size + jobs.OVERHEAD_BYTES for item in group)
    with writing(services.catalog) as connection:
        if indexes.live(connection, first.index.collection) != first.index:
            return None  # readers were switched to another index meanwhile
        version_ids = [item.document.version_id for item in group]
        current = {item.version_id for item in missing_documents.live_documents(connection, version_ids)}
        unchanged = [item for item in group if item.document.version_id in current]
        if not unchanged:
            return None
        request_id = f"verify-{uuid.uuid4().hex[:12]}"
        job_id = jobs.create(connection, job, request_id, weight, named=first.named, closed=True).id
        attempt_ids = [_new_attempt(connection, job_id, item) for item in unchanged]
        for ids in split_list(attempt_ids, services.settings.batch_documents):
            batches.create(connection, job_id, priority, ids)
    log.info("verify.remaking", job=job_id, collection=first.index.collection, documents=len(unchanged))
    return job_id


def _new_attempt(connection: Connection, job_id: str, item: _Prepared) -> str:
    document = item.document
    placement = Placement(item.index.name, document.workflow, item.extraction, ocr=document.ocr)
    attempt_id = new_attempt(connection, job_id, document.document_id, item.recipe, document.file, placement)
    records.set_current_attempt(connection, document.document_id, attempt_id)
    records.add_submission(connection, job_id, document.file, Recorded(document.document_id, attempt_id, "new"))
    return attempt_id
