"""What failed, as its file is now: it may have been mended there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.catalog import Connection
from pipeline.catalog.index.missing import MissingDocument
from pipeline.catalog.work import failures, jobs
from pipeline.catalog.work.ledger import plan_of_version
from pipeline.errors import Rejected
from pipeline.ingest.content import FileContent, read_content
from pipeline.ingest.roots import bounds, root_of
from pipeline.ingest.sidecar import sidecar_metadata
from pipeline.ingest.walk import look, path_of
from pipeline.plan import Plan
from pipeline.services import Services
from pipeline.types import NamedPaths

__all__ = ["as_they_are"]


def as_they_are(
    services: Services, found: Sequence[MissingDocument]
) -> Iterator[tuple[MissingDocument, FileContent | None]]:
    """The documents with the contents that their files have now, read by the rules by which they came in.

    One whose file is gone, or cannot be taken, stays as it was found, with None.
    """
    with services.catalog.connect() as connection:
        named = _named(connection, [lack.document_id for lack in found])
        plans = {lack.version_id: plan_of_version(connection, lack.version_id) for lack in found}
    for lack in found:
        yield _now(services, plans[lack.version_id], lack, named.get(lack.document_id, NamedPaths(())))


def _named(connection: Connection, identities: Sequence[str]) -> dict[str, NamedPaths]:
    """What was named for the job by which each document came in."""
    origins = failures.jobs_of_documents(connection, identities) | failures.submitting_jobs(connection, identities)
    named = jobs.named(connection, set(origins.values()))
    return {identity: named[job_id] for identity, job_id in origins.items() if job_id in named}


def _now(
    services: Services, plan: Plan, lack: MissingDocument, named: NamedPaths
) -> tuple[MissingDocument, FileContent | None]:
    path, most = path_of(lack.found.source), services.settings.max_file_mb << 20
    root = root_of(named, lack.found.source) if path.is_absolute() else None
    candidate = look(path, root, most) if root is not None else None
    if root is None or candidate is None or candidate.problem is not None:
        return lack, None
    within = bounds(named, root, services.settings.api_roots)
    try:
        told = sidecar_metadata(plan, path, within)
        taken = read_content(path, lack.found.source, most, services.drafts, within)
    except Rejected:
        return lack, None  # `extract` says so of the document
    return replace(lack, found=replace(taken.found, metadata=told if plan.sidecar else lack.found.metadata)), taken
