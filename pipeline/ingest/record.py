"""Recording files in the catalog: documents, versions and attempts, in one batch for each collection."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pipeline.catalog import Connection
from pipeline.catalog.documents import lookup, records
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.unchanged import record_unchanged
from pipeline.catalog.documents.versions import FileRecord, Placement
from pipeline.catalog.work import batches
from pipeline.catalog.work.jobs import Job
from pipeline.disk.temporary_folder import tmp_of
from pipeline.ingest.content import FileContent
from pipeline.ingest.failed_before import FailedBefore, find_failed
from pipeline.ingest.intake_traces import place_in_traces
from pipeline.ingest.placement import current_recipe, placement_of
from pipeline.ingest.results import IntakeResult
from pipeline.ingest.routing import media_type_of, routed_collection
from pipeline.points.presence import Counted, incomplete
from pipeline.services import Services
from pipeline.spool import Kept, Spool

__all__ = ["NotCopied", "look_up_unchanged", "put_originals", "record", "route", "secure_originals"]


class NotCopied(Exception):
    """Raised for files that are new to the catalog and have no copy in the spool yet. `contents` are these files."""

    def __init__(self, contents: Sequence[FileContent]) -> None:
        super().__init__()
        self.contents = contents


def put_originals(spool: Spool, contents: Iterable[FileContent]) -> set[str]:
    """Put copies of files into the spool; those that are there get a new time (see `pipeline.stages.discard`).

    Returns:
        Their keys.
    """
    keys: set[str] = set()
    for content in contents:
        keys.add(content.key)
        if spool.renew(content.key):
            continue
        if content.data is not None:
            spool.write(content.key, content.data)
        elif content.draft is not None:
            spool.put_file(content.key, content.draft)
    return keys


def secure_originals(drafts: Path, spool: Spool, contents: Iterable[FileContent]) -> set[str]:
    """Put copies of contents that are in memory into the spool, and wait until they survive a power cut.

    Args:
        drafts: folder for temporary files, on the disk of a local spool.
        spool: the spool.
        contents: what is nowhere else: files on a disk need not wait for it.

    Returns:
        Their keys.
    """
    waits: dict[str, Kept] = {}
    for content in contents:
        draft = drafts / uuid.uuid4().hex
        try:
            draft.write_bytes(content.data or b"")
            waits[content.key] = spool.secure(content.key, draft)
        finally:
            draft.unlink(missing_ok=True)
    for wait in waits.values():
        wait()
    return set(waits)


def route(services: Services, job: Job, contents: Sequence[FileContent]) -> list[FileContent]:
    """Decide by their kind to which collections the files go; they are read for it."""
    return [replace(content, routed=_collection(services, job, content)) for content in contents]


def _collection(services: Services, job: Job, content: FileContent) -> str | None:
    data = content.draft if content.data is None else content.data
    if not job.plan.route or data is None:
        return None
    settings = services.settings
    media_type = media_type_of(content.file.source, data, settings.options, tmp_of(settings.data_dir))
    return routed_collection(job.plan, media_type)


def look_up_unchanged(
    services: Services, job: Job, contents: Sequence[FileContent]
) -> tuple[list[FileContent], frozenset[str]]:
    """Look up the files in the catalog and in the store, as they are now; without the write lock.

    Returns:
        The files that `record` would begin work on, and the ids of live versions of the same content whose points are
        gone.
    """
    new, unchanged = list[FileContent](), dict[Counted, FileContent]()
    with services.catalog.connect() as connection:
        for routed, group in _by_collection(contents).items():
            recipes = current_recipe(services, connection, job, routed)
            rows: Mapping[str, Mapping[Any, Any]] = {}
            if recipes is not None:
                files = [content.file for content in group]
                rows = lookup.unchanged_sources(connection, routed or job.collection, recipes[0], files, recipes[1])
            new += [content for content in group if content.file.source not in rows]
            same = [content for content in group if content.file.source in rows]
            unchanged |= {_counted(rows[content.file.source]): content for content in same}
    gone = incomplete(services, list(unchanged)) if unchanged else frozenset[str]()
    return [*new, *(content for counted, content in unchanged.items() if counted.version_id in gone)], gone


def _counted(version: Mapping[Any, Any]) -> Counted:
    return Counted(version["id"], version["index_name"], version["chunks"])


def record(
    connection: Connection,
    services: Services,
    job: Job,
    contents: Sequence[FileContent],
    copied: Collection[str],
    gone: frozenset[str] = frozenset(),
) -> list[IntakeResult]:
    """Record files in the caller's transaction: versions, attempts, and a batch for each collection.

    Args:
        connection: a writing transaction.
        services: the engine's services.
        job: the job that they belong to.
        contents: the files, routed; those that are queued are to be put into the spool once more after the commit.
        copied: keys of the copies that are in the spool.
        gone: ids of live versions whose points are not in the store.

    Raises:
        NotCopied: a copy is missing. Roll back, make it, and begin again: a process that is killed after its commit
            must not leave a document without its file.
        SpaceMismatch: a collection was made with another model than the configured one.
        ModelFactsMissing: as `placement_of` raises it.
    """
    results: list[IntakeResult] = []
    for routed, group in _by_collection(contents).items():
        results += _record_group(connection, services, job, routed, group, gone)
    queued = {result.source for result in results if result.is_queued}
    missing = [content for content in contents if content.file.source in queued and content.key not in copied]
    if missing:
        raise NotCopied(missing)
    return place_in_traces(connection, services, job, results)


def _by_collection(contents: Sequence[FileContent]) -> dict[str | None, list[FileContent]]:
    groups: dict[str | None, list[FileContent]] = defaultdict(list)
    for content in contents:
        groups[content.routed].append(content)
    return groups


def _record_group(
    connection: Connection,
    services: Services,
    job: Job,
    routed: str | None,
    contents: list[FileContent],
    gone: frozenset[str],
) -> list[IntakeResult]:
    """Record files that go to one collection; a batch never holds documents of two."""
    placement, recipe = placement_of(services, connection, job, routed)
    placement = replace(placement, batch_id=str(uuid.uuid4()), gone=gone)
    files = [content.file for content in contents]
    known = lookup.possibly_known(connection, placement.collection, [file.source for file in files])
    failed = find_failed(services, connection, job, placement.collection, recipe, known)
    others = [file for file in files if file.source in known and file.source not in failed]
    unchanged = record_unchanged(connection, job.id, recipe, others, placement)
    group = _Group(placement, recipe, known, failed, unchanged)
    recorded = [_record_file(connection, job.id, group, file) for file in files]
    if any(is_new for _, is_new in recorded):
        batches.add(connection, str(placement.batch_id), job.id, job.priority)
    return [result for result, _ in recorded]


@dataclass(frozen=True, slots=True)
class _Group:
    """Files of one collection that are recorded together, and what the catalog knows of them.

    `known` are sources that the collection may know; files of `unchanged` are recorded already.
    """

    placement: Placement
    recipe: str
    known: set[str]
    failed: FailedBefore
    unchanged: Mapping[str, Recorded]


def _record_file(connection: Connection, job_id: str, group: _Group, file: FileRecord) -> tuple[IntakeResult, bool]:
    """Record a file of a group, unless it is recorded; its result, and whether a new attempt is to work on it."""
    failed = group.failed.record(connection, job_id, file)
    if failed is not None:
        return failed, False
    recorded = group.unchanged.get(file.source)
    if recorded is None:
        is_new = file.source not in group.known
        recorded = records.record(connection, job_id, group.recipe, file, group.placement, is_new=is_new)
        group.known.add(file.source)
    state: Literal["queued", "unchanged"] = "unchanged" if recorded.outcome == "unchanged" else "queued"
    return IntakeResult(recorded.document_id, file.source, file.size, state), recorded.outcome == "new"
