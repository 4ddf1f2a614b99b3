"""The files of documents that a backfill reads again, put into the spool for the stage `extract`.

Usually the kept text of a document is enough. Its file is read where no text was kept, where the user asks to extract
again, or where the document failed: its file may have been mended since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pipeline.catalog import Connection
from pipeline.catalog.reindex.missing_documents import MissingDocument
from pipeline.catalog.reindex.reindexes import Reindex
from pipeline.catalog.work import failures, jobs
from pipeline.catalog.work.batches import plan_of_version
from pipeline.errors import Rejected
from pipeline.ingest.content import FileContent, drop, read_candidate, read_content
from pipeline.ingest.record import put_originals
from pipeline.ingest.roots import find_again
from pipeline.ingest.walk import path_of
from pipeline.plan import Plan
from pipeline.services import Services
from pipeline.spool import original_key
from pipeline.stages.kept_texts import text_key_of
from pipeline.types import NamedPaths

__all__ = ["copy_originals", "key_of_original", "read_now", "unchanged_file"]


def copy_originals(services: Services, reindex: Reindex, documents: Sequence[MissingDocument]) -> list[MissingDocument]:
    """Copy into the spool what `extract` will need of the files of these documents.

    Returns:
        The same documents. One that failed before has the content and the metadata that its file has now.
    """
    if reindex.options.code is not None:
        pairs = _read_mended(services, documents)
    else:
        pairs = ((document, _read_if_needed(services, reindex, document)) for document in documents)
    ready = list[MissingDocument]()
    for document, content in pairs:
        if content is not None:
            put_originals(services.spool, [content])
            drop(content.draft)
        ready.append(document)
    return ready


def key_of_original(document: MissingDocument) -> str:
    """Key of the document's original in the spool."""
    return original_key(document.file.content_sha256, document.file.source)


def _read_if_needed(services: Services, reindex: Reindex, document: MissingDocument) -> FileContent | None:
    """The unchanged file of a document without a usable kept text; None if it is not needed or not there."""
    spool, version = services.spool, document.file
    has_text = spool.exists(text_key_of(version.content_sha256, version.source, document.extraction))
    if (has_text and not reindex.options.re_extract) or not version.source.startswith("/"):
        return None
    if spool.renew(key_of_original(document)):  # the clean-up does not remove it then
        return None
    return unchanged_file(services, document)  # else `extract` reports it with the document


def unchanged_file(services: Services, document: MissingDocument) -> FileContent | None:
    """The file of a document, if it still has the content that was ingested."""
    version, max_bytes = document.file, services.settings.max_file_mb << 20
    # It is not read by the rules of its job (`find_again`): only the bytes that were ingested by them are used.
    try:
        content = read_content(path_of(version.source), version.source, max_bytes, services.drafts)
    except Rejected:
        return None
    if content.file.content_sha256 == version.content_sha256:
        return content
    drop(content.draft)
    return None


def _read_mended(
    services: Services, documents: Sequence[MissingDocument]
) -> Iterator[tuple[MissingDocument, FileContent | None]]:
    """Documents that failed, with the content that their files have now, read by the rules of their jobs.

    A document whose file is gone, or is refused, stays as it was, without content.
    """
    with services.catalog.connect() as connection:
        named = _named_paths(connection, [document.document_id for document in documents])
        plans = {document.version_id: plan_of_version(connection, document.version_id) for document in documents}
    for document in documents:
        paths = named.get(document.document_id, NamedPaths(()))
        yield read_now(services, plans[document.version_id], document, paths)


def _named_paths(connection: Connection, document_ids: Sequence[str]) -> Mapping[str, NamedPaths]:
    """Paths that the user named for the job by which each document came in, by document id."""
    job_ids = failures.jobs_of_documents(connection, document_ids) | failures.submitting_jobs(connection, document_ids)
    named = jobs.named_paths(connection, set(job_ids.values()))
    return {document_id: named[job_id] for document_id, job_id in job_ids.items() if job_id in named}


def read_now(
    services: Services, plan: Plan, document: MissingDocument, named: NamedPaths
) -> tuple[MissingDocument, FileContent | None]:
    """A document with the content that its file has now, read by the rules of the job that it came in by.

    Without content, and as it was, if its file is gone or refused.
    """
    candidate = find_again(services.settings, named, document.file.source)
    try:
        content = read_candidate(services, plan, candidate)
    except Rejected:
        return document, None  # `extract` reports it with the document
    metadata = content.file.metadata if plan.sidecar else document.file.metadata
    return replace(document, file=replace(content.file, metadata=metadata)), content
