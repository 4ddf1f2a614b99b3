"""Apply changes of a folder to its documents: rename, revive, delete, ingest. The rows of its files follow.

No function here reads a file while the catalog's write lock is held.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import deletion, moves, tagging, watched_files
from pipeline.catalog.documents.watched_files import FileKey, KnownFile
from pipeline.catalog.work import failures
from pipeline.ingest.delete import release
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.request import Request
from pipeline.ingest.submit import open_job
from pipeline.ingest.walk import Candidate
from pipeline.points.labels import relabel
from pipeline.services import Services
from pipeline.settings.watch_folders import WatchFolder
from pipeline.types import in_place_of
from pipeline.watch.compare import Changes, SeenFile
from pipeline.watch.former_documents import delete_permanently, former_documents
from pipeline.watch.known_files import KnownFiles
from pipeline.watch.snapshot import Snapshot

__all__ = [
    "Moved",
    "clean_up",
    "delete_missing",
    "forget_gone",
    "ingest",
    "move",
    "update_disks",
]


@dataclass
class Moved:
    """The result of renames.

    rows        the files as they are known now
    left        keys that have no file any more
    failed      their documents are deleted: to be ingested like new files
    waiting     their documents are being processed: to be tried again
    """

    rows: dict[FileKey, KnownFile] = field(default_factory=dict)
    left: set[FileKey] = field(default_factory=set)
    failed: set[FileKey] = field(default_factory=set)
    waiting: set[FileKey] = field(default_factory=set)


def move(
    services: Services, known: Mapping[FileKey, KnownFile], changes: Changes, seen: Mapping[FileKey, SeenFile]
) -> Moved:
    """Rename, revive and tag documents, and store new marks of unchanged files, in one transaction."""
    moved = Moved()
    if not (changes.replaced or changes.moved or changes.revived or changes.touched or changes.retagged):
        return moved
    origins = changes.origins
    with writing(services.catalog) as connection:
        delete_permanently(connection, [name for key in changes.replaced if (name := known[key].document_id)])
        done = _rename_and_revive(connection, known, changes, seen, moved)
        moved.rows = _rows_after_move(known, seen, {key: origins[key] for key in done | changes.touched})
        moved.rows |= {key: replace(known[key], tags=tags) for key, tags in changes.retagged.items()}
        _tag(connection, known, origins, moved.rows)
        moved.left = {origins[key] for key in done | moved.failed} - moved.rows.keys()
        moved.left |= changes.replaced - moved.rows.keys()
        watched_files.delete(connection, moved.left)
        watched_files.store(connection, moved.rows)
    return moved


def _rename_and_revive(
    connection: Connection,
    known: Mapping[FileKey, KnownFile],
    changes: Changes,
    seen: Mapping[FileKey, SeenFile],
    moved: Moved,
) -> set[FileKey]:
    """Rename living documents and revive deleted ones; those that could not be are noted in `moved`.

    Returns:
        Keys of the files whose documents were renamed or revived.
    """
    origins = {**changes.moved, **{key: key for key in changes.revived}}
    living = {str(known[old].document_id): key for key, old in origins.items() if not known[old].gone}
    deleted = {str(known[old].document_id): key for key, old in origins.items() if known[old].gone}
    sources = {document_id: key[1] for document_id, key in living.items()}
    # A document that a user ingested under the new name, whose file was replaced before the watcher saw it.
    delete_permanently(connection, moves.documents_to_displace(connection, sources))
    renamed, there = moves.rename(connection, sources), moves.existing(connection, sources)
    contents = {document_id: (key[1], str(seen[key].sha256)) for document_id, key in deleted.items()}
    revived = deletion.revive(connection, contents)
    moved.waiting = {key for document_id, key in living.items() if document_id in there - renamed}
    moved.failed = {key for document_id, key in living.items() if document_id not in there}
    moved.failed |= {key for document_id, key in deleted.items() if document_id not in revived}
    return origins.keys() - moved.waiting - moved.failed


def _rows_after_move(
    known: Mapping[FileKey, KnownFile], seen: Mapping[FileKey, SeenFile], origins: Mapping[FileKey, FileKey]
) -> dict[FileKey, KnownFile]:
    """The rows of files whose documents went on. `origins`: {key: known key}."""
    # Changed metadata beside a file is ingested afterwards: until then the row has the metadata of before.
    return {
        key: replace(_row(seen[key], known[old].document_id), sidecar=known[old].sidecar)
        for key, old in origins.items()
    }


def _tag(
    connection: Connection,
    known: Mapping[FileKey, KnownFile],
    origins: Mapping[FileKey, FileKey],
    rows: Mapping[FileKey, KnownFile],
) -> None:
    """Give documents the tags that the settings say for their files now."""
    for key, row in rows.items():
        before = known[origins.get(key, key)].tags
        if row.tags != before:
            tagging.set_tags(connection, str(row.document_id), in_place_of(row.tags, before))


def delete_missing(
    services: Services,
    root: str,
    known: Mapping[FileKey, KnownFile],
    gone: Collection[FileKey],
    rerouted_keys: Collection[FileKey] = (),
) -> dict[FileKey, KnownFile]:
    """Delete the documents of files that are gone. For a while they can be revived.

    Args:
        services: the engine's services.
        root: the folder.
        known: its files.
        gone: those that are gone.
        rerouted_keys: files that may have former documents in other collections, which are deleted for good.

    Returns:
        The files as they are known now.
    """
    if not gone:
        return {}
    with writing(services.catalog) as connection:
        unknown = _documents_of_unfinished(connection, root, [key for key in gone if known[key].document_id is None])
        rows = {
            key: replace(known[key], document_id=known[key].document_id or unknown.get(key), gone=True) for key in gone
        }
        watched_files.store(connection, rows)
        document_ids = {row.document_id for row in rows.values() if row.document_id is not None}
        # A rule that gives a file another collection may have given its document to another row.
        deleted = sorted(document_ids - watched_files.with_present_file(connection, document_ids))
        deletion.tombstone(connection, deleted, time.time() + services.settings.watch_undo_s)
        failures.delete_of_documents(connection, deleted)
        current = {key: str(row.document_id) for key, row in rows.items() if key in rerouted_keys and row.document_id}
        while former := former_documents(connection, root, current):
            delete_permanently(connection, list(former.values()))
    return rows


def ingest(
    services: Services,
    folder: WatchFolder,
    candidates: Mapping[FileKey, Candidate],
    seen: Mapping[FileKey, SeenFile],
    known: Mapping[FileKey, KnownFile],
) -> dict[FileKey, KnownFile]:
    """Ingest files, one job for each collection.

    Returns:
        The files as they are known now.
    """
    rows: dict[FileKey, KnownFile] = {}
    by_collection: dict[str, list[FileKey]] = defaultdict(list)
    for key in candidates:
        by_collection[key[0]].append(key)
    for collection, keys in by_collection.items():
        with writing(services.catalog) as connection:
            # Before their documents: a file that is removed while no watcher runs must be missed afterwards.
            unfinished = {key: _unfinished(seen[key], known.get(key)) for key in keys if _has_no_row(key, known)}
            watched_files.store(connection, unfinished)
        tags = {key: in_place_of(seen[key].tags, known[key].tags if key in known else None) for key in keys}
        files = [replace(candidates[key], tags=tags[key]) for key in keys]
        request_id = watched_files.new_request_id()
        request = Request([folder.path], collection, folder.workflow, request_id=request_id, ocr=folder.ocr)
        job_id = open_job(services, request, files)
        ingest_files(services, job_id, files)
        rows |= _store_ingested(services, job_id, keys, seen)
    return rows


def _store_ingested(
    services: Services, job_id: str, keys: Collection[FileKey], seen: Mapping[FileKey, SeenFile]
) -> dict[FileKey, KnownFile]:
    """Store the rows of ingested files, with the documents that the job has recorded for them."""
    with writing(services.catalog) as connection:
        # A workflow's route may have sent a file to another collection than the folder's.
        documents = watched_files.documents_of_files(connection, keys) | watched_files.submitted_documents(
            connection, job_id, keys
        )
        contents = watched_files.content_of_job(connection, job_id)
        rows = {key: _row(seen[key], documents.get(key)) for key in keys}
        # A file may have changed before intake read it, or intake refused it: it is to be ingested again then.
        other = [key for key, row in rows.items() if contents.get(str(row.document_id)) != row.sha256]
        rows |= {key: replace(rows[key], sha256=None) for key in other}
        watched_files.store(connection, rows)
    return rows


def update_disks(services: Services, snapshot: Snapshot) -> dict[FileKey, KnownFile]:
    """Store the new numbers of disks that were mounted again.

    Returns:
        The files as they are known now.
    """
    rows = {
        key: replace(row, mark=snapshot.present[key].mark)
        for key, row in snapshot.known.items()
        if key in snapshot.present
        and key not in snapshot.changed
        and row.mark.device != snapshot.present[key].mark.device
    }
    if rows:
        with writing(services.catalog) as connection:
            watched_files.store(connection, rows)
    return rows


def forget_gone(services: Services, files: KnownFiles) -> list[FileKey]:
    """Forget the files whose documents cannot be revived any more.

    Returns:
        Their keys.
    """
    if not files.gone:
        return []
    gone = sorted(files.gone)
    with services.catalog.connect() as connection:
        revivable = watched_files.revivable(connection, [str(files[key].document_id) for key in gone])
    forgotten = [key for key in gone if files[key].document_id not in revivable]
    if forgotten:
        with writing(services.catalog) as connection:
            watched_files.delete(connection, forgotten)
    return forgotten


def clean_up(services: Services) -> None:
    """Write new names and tags of documents to their points, and remove the points of documents that are gone."""
    relabel(services)
    release(services)


def _documents_of_unfinished(connection: Connection, root: str, keys: Collection[FileKey]) -> dict[FileKey, str]:
    """The documents of files whose intake may have been interrupted."""
    if not keys:
        return {}
    return watched_files.in_other_collections(connection, root, keys) | watched_files.documents_of_files(
        connection, keys
    )


def _has_no_row(key: FileKey, known: Mapping[FileKey, KnownFile]) -> bool:
    """Whether the file would not be missed if it were removed now: it is new, or its document is deleted."""
    return key not in known or known[key].gone


def _unfinished(file: SeenFile, before: KnownFile | None) -> KnownFile:
    """The row of a file whose intake has begun."""
    return KnownFile(file.mark, tags=before.tags if before is not None else None)


def _row(file: SeenFile, document_id: str | None) -> KnownFile:
    return KnownFile(file.mark, file.sha256, document_id, tags=file.tags, sidecar=file.sidecar)
