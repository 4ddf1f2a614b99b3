"""What a mirror does to documents: rename, revive, delete, take in. The catalog's rows of the files follow."""

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
from pipeline.watch.known_files import Files
from pipeline.watch.view import View

__all__ = ["Moved", "forget_gone", "leave", "move", "remove", "renumber", "rerouted", "take", "tidy"]


@dataclass
class Moved:
    """What came of the renames: rows as they are now, names that were left, and what could not be done.

    `failed` are to be taken in like new files: their documents are deleted. `waiting` are tried again: their
    documents are being worked on.
    """

    rows: dict[FileKey, KnownFile] = field(default_factory=dict)
    left: set[FileKey] = field(default_factory=set)
    failed: set[FileKey] = field(default_factory=set)
    waiting: set[FileKey] = field(default_factory=set)


def move(
    services: Services, known: Mapping[FileKey, KnownFile], changes: Changes, sights: Mapping[FileKey, SeenFile]
) -> Moved:
    """Rename, revive and tag documents, and note files that have only another mark, in one transaction."""
    moved = Moved()
    if not (changes.replaced or changes.moved or changes.revived or changes.touched or changes.retagged):
        return moved
    origins = {**changes.moved, **{key: key for key in changes.revived}}
    living = {str(known[old].document_id): key for key, old in origins.items() if not known[old].gone}
    deleted = {str(known[old].document_id): key for key, old in origins.items() if known[old].gone}
    with writing(services.catalog) as connection:
        places = {name: key[1] for name, key in living.items()}
        _displace(connection, [name for key in changes.replaced if (name := known[key].document_id)])
        # A file that somebody took in, and whose place another one has now, before a watcher saw it.
        _displace(connection, moves.documents_to_displace(connection, places))
        renamed, there = moves.rename(connection, places), moves.existing(connection, places)
        revived = deletion.revive(
            connection, {name: (key[1], str(sights[key].sha256)) for name, key in deleted.items()}
        )
        moved.waiting = {key for name, key in living.items() if name in there - renamed}
        moved.failed = {key for name, key in living.items() if name not in there}
        moved.failed |= {key for name, key in deleted.items() if name not in revived}
        done = origins.keys() - moved.waiting - moved.failed
        moved.rows = {key: _row(sights[key], known[origins[key]].document_id) for key in done}
        moved.rows |= {key: _row(sights[key], known[key].document_id) for key in changes.touched}
        # Metadata beside them is taken in afterwards, if it is other than it was.
        moved.rows = {key: replace(row, beside=known[origins.get(key, key)].beside) for key, row in moved.rows.items()}
        moved.rows |= {key: replace(known[key], tags=tags) for key, tags in changes.retagged.items()}
        for key, row in moved.rows.items():
            before = known[origins.get(key, key)].tags
            if row.tags != before:
                tagging.set_tags(connection, str(row.document_id), in_place_of(row.tags, before))
        moved.left = {origins[key] for key in done | moved.failed} - moved.rows.keys()
        moved.left |= changes.replaced - moved.rows.keys()
        watched_files.forget(connection, moved.left)
        watched_files.store(connection, moved.rows)
    return moved


def _displace(connection: Connection, names: Collection[str]) -> None:
    """Delete documents whose names others get: they cannot be revived, and their points go with the next tidying."""
    if names:
        deletion.tombstone(connection, list(names), time.time())
        failures.delete_of_documents(connection, names)


def remove(
    services: Services,
    root: str,
    known: Mapping[FileKey, KnownFile],
    gone: Collection[FileKey],
    behind: Collection[FileKey] = (),
) -> dict[FileKey, KnownFile]:
    """Delete the documents of files of the folder that are gone; for a while they can be revived.

    Args:
        services: the engine's services.
        root: the folder.
        known: its files.
        gone: those that are gone.
        behind: files that may have left documents in other collections, which go for good.

    Returns:
        The files as they are known now.
    """
    if not gone:
        return {}
    with writing(services.catalog) as connection:
        unsure = _unsure(connection, root, [key for key in gone if known[key].document_id is None])
        rows = {
            key: replace(known[key], document_id=known[key].document_id or unsure.get(key), gone=True) for key in gone
        }
        watched_files.store(connection, rows)
        having = {row.document_id for row in rows.values() if row.document_id is not None}
        # A rule that gives the file another collection may have given its document to another row.
        names = sorted(having - watched_files.with_present_file(connection, having))
        deletion.tombstone(connection, names, time.time() + services.settings.watch_undo_s)
        failures.delete_of_documents(connection, names)
        left = {key: str(row.document_id) for key, row in rows.items() if key in behind and row.document_id}
        while former := _elsewhere(connection, root, left):
            _displace(connection, list(former.values()))
    return rows


def take(
    services: Services,
    folder: WatchFolder,
    candidates: Mapping[FileKey, Candidate],
    sights: Mapping[FileKey, SeenFile],
    known: Mapping[FileKey, KnownFile],
) -> dict[FileKey, KnownFile]:
    """Take files in, one job for each collection.

    Returns:
        The files as they are known now.
    """
    rows: dict[FileKey, KnownFile] = {}
    by_collection: dict[str, list[FileKey]] = defaultdict(list)
    for key in candidates:
        by_collection[key[0]].append(key)
    for collection, keys in by_collection.items():
        with writing(services.catalog) as connection:
            # Before their documents: a file that goes while nobody watches must be missed.
            watched_files.store(
                connection, {key: _begun(sights[key], known.get(key)) for key in keys if _is_lost(key, known)}
            )
        before = {key: known[key].tags if key in known else None for key in keys}
        found = [replace(candidates[key], tags=in_place_of(sights[key].tags, before[key])) for key in keys]
        request = Request([folder.path], collection, folder.workflow, request_id=watched_files.new_request_id())
        job_id = open_job(services, request, found)
        ingest_files(services, job_id, found)
        with writing(services.catalog) as connection:
            # A workflow may have sent a file to another collection than the folder's, where it was before.
            names = watched_files.documents_of_files(connection, keys) | watched_files.submitted_documents(
                connection, job_id, keys
            )
            found_in = watched_files.content_of_job(connection, job_id)
            taken = {key: _row(sights[key], names.get(key)) for key in keys}
            # The file may have become another one before intake read it, or none: it is to be taken in again then.
            unsure = [key for key, row in taken.items() if found_in.get(str(row.document_id)) != row.sha256]
            taken |= {key: replace(taken[key], sha256=None) for key in unsure}
            watched_files.store(connection, taken)
        rows |= taken
    return rows


def rerouted(before: Mapping[FileKey, KnownFile], now: Mapping[FileKey, KnownFile]) -> set[FileKey]:
    """Files that have another document than before: the former one is left behind."""
    names = {key: before[key].document_id for key in now if key in before}
    return {key for key, name in names.items() if name and now[key].document_id not in (None, name)}


def leave(
    services: Services,
    root: str,
    known: Mapping[FileKey, KnownFile],
    keys: Collection[FileKey],
    *,
    patient: bool = True,
) -> set[FileKey]:
    """Delete what files have left behind in other collections since their route leads elsewhere.

    Args:
        services: the engine's services.
        root: the folder.
        known: its files.
        keys: the files that are looked at.
        patient: a document goes only once the content that takes its place is there to be found.

    Returns:
        Those that have nothing left there.
    """
    if not keys:
        return set()
    now = {key: str(known[key].document_id) for key in keys if key in known and known[key].document_id}
    with services.catalog.connect() as connection:
        former = _elsewhere(connection, root, now)
    if former:
        with writing(services.catalog) as connection:
            former = _elsewhere(connection, root, now)
            there = watched_files.live_content(connection, [now[key] for key in former])
            ready = {key for key in former if not patient or there.get(now[key]) == known[key].sha256}
            _displace(connection, [former[key] for key in ready])
    return {key for key in keys if key not in former and (key in now or key not in known)}


def _elsewhere(connection: Connection, root: str, now: Mapping[FileKey, str]) -> dict[FileKey, str]:
    """A document of the watcher's own of each of these files beside the one that it has now, if there is one."""
    found = watched_files.in_other_collections(connection, root, now, own=True) if now else {}
    return {key: name for key, name in found.items() if name not in now.values()}


def renumber(services: Services, view: View) -> dict[FileKey, KnownFile]:
    """Note the files whose disk has another number since it was mounted again.

    Returns:
        The files as they are known now.
    """
    rows = {
        key: replace(row, mark=view.seen[key].mark)
        for key, row in view.known.items()
        if key in view.seen and key not in view.opened and row.mark.device != view.seen[key].mark.device
    }
    if rows:
        with writing(services.catalog) as connection:
            watched_files.store(connection, rows)
    return rows


def forget_gone(services: Services, files: Files) -> list[FileKey]:
    """Forget the files whose documents cannot be revived any more.

    Returns:
        Which these are.
    """
    if not files.gone:
        return []
    gone = sorted(files.gone)
    with services.catalog.connect() as connection:
        kept = watched_files.revivable(connection, [str(files[key].document_id) for key in gone])
    lost = [key for key in gone if files[key].document_id not in kept]
    if lost:
        with writing(services.catalog) as connection:
            watched_files.forget(connection, lost)
    return lost


def tidy(services: Services) -> None:
    """Tell points the new names and tags of their documents, and remove those of documents that are gone for good."""
    relabel(services)
    release(services)


def _unsure(connection: Connection, root: str, keys: Collection[FileKey]) -> dict[FileKey, str]:
    """The documents of files whose taking in may have been broken off."""
    if not keys:
        return {}
    return watched_files.in_other_collections(connection, root, keys) | watched_files.documents_of_files(
        connection, keys
    )


def _is_lost(key: FileKey, known: Mapping[FileKey, KnownFile]) -> bool:
    """Whether nobody would miss the file if it went now: it is new, or its document is deleted."""
    return key not in known or known[key].gone


def _begun(sight: SeenFile, before: KnownFile | None) -> KnownFile:
    """A file that is being taken in: whether that comes to its end is not known yet."""
    return KnownFile(sight.mark, tags=before.tags if before is not None else None)


def _row(sight: SeenFile, document_id: str | None) -> KnownFile:
    return KnownFile(sight.mark, sight.sha256, document_id, tags=sight.tags, beside=sight.beside)
