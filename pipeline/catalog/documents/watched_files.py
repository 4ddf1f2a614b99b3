"""Watched folders in the catalog: their files as they were last ingested, and deletions that are held back."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import (
    attempts,
    documents,
    jobs,
    reindexes,
    seen,
    submissions,
    versions,
    watched,
)
from pipeline.types import Tags

__all__ = [
    "FileKey",
    "FileMark",
    "KnownFile",
    "confirm_deletions",
    "content_of_job",
    "delete",
    "documents_of_files",
    "get_folder",
    "in_other_collections",
    "list_files",
    "list_folders",
    "live_content",
    "new_request_id",
    "revivable",
    "store",
    "submitted_documents",
    "update_folder",
    "with_present_file",
]

REQUEST_PREFIX = "watch-"
"""Prefix of the request ids of watchers' jobs, and of no others."""

MARK_COLUMNS = ("device", "inode", "size", "mtime_ns", "ctime_ns")


FileKey: TypeAlias = tuple[str, str]
"""Collection and source of a file: the same file under another rule's collection is another document."""


@dataclass(frozen=True, slots=True)
class FileMark:
    """What stat(2) says of a file; enough to notice a change without reading the file."""

    device: str
    inode: str
    size: int
    mtime_ns: int
    ctime_ns: int

    @property
    def content(self) -> tuple[str, int, int]:
        """The part that a rename leaves as it is: inode, size, time of the last write."""
        return self.inode, self.size, self.mtime_ns

    @property
    def written_at(self) -> int:
        """Time of the last change, in nanoseconds since 1970."""
        return max(self.mtime_ns, self.ctime_ns)

    def same(self, other: FileMark) -> bool:
        """Whether both are of the same, unchanged file. Devices are not compared: each mount numbers them anew."""
        mine = (self.inode, self.size, self.mtime_ns, self.ctime_ns)
        return mine == (other.inode, other.size, other.mtime_ns, other.ctime_ns)


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A watched file as the catalog recorded it at its last intake.

    `document_id` is None while it is not known whether that intake came to its end. `gone` is set while the document
    is deleted but can be revived. `tags` are those that the document was given by the watched folder's settings.
    """

    mark: FileMark
    sha256: str | None = None
    document_id: str | None = None
    gone: bool = False
    tags: Tags | None = None
    sidecar: str | None = None


def get_folder(connection: Connection, root: str) -> Any:
    """The row of a watched folder; None for a new one."""
    return connection.execute(sa.select(watched).where(watched.c.root == root)).one_or_none()


def list_folders(connection: Connection) -> list[Any]:
    """The rows of all watched folders, ordered by path."""
    return list(connection.execute(sa.select(watched).order_by(watched.c.root)))


def update_folder(connection: Connection, root: str, **values: Any) -> None:
    """Set columns of a watched folder."""
    if not connection.execute(watched.update().where(watched.c.root == root).values(values)).rowcount:
        connection.execute(watched.insert().values(root=root, **values))


def confirm_deletions(connection: Connection, root: str) -> int:
    """Confirm the deletions that are held back in a folder, and no more than those.

    Returns:
        How many files that are.
    """
    row = get_folder(connection, root)
    if row is None or row.held is None:
        return 0
    update_folder(connection, root, confirmed=row.held_files)
    return int(row.held_files)


def list_files(connection: Connection, root: str) -> dict[FileKey, KnownFile]:
    """List the files below a folder as they were last ingested, those of deleted documents among them."""
    prefix = root.rstrip("/") + "/"
    # Not LIKE, which takes capital letters for small ones on SQLite.
    rows = connection.execute(sa.select(seen).where(sa.func.substr(seen.c.source, 1, len(prefix)) == prefix))
    return {
        (row.collection, row.source): KnownFile(
            FileMark(*(getattr(row, name) for name in MARK_COLUMNS)),
            row.sha256,
            row.document_id,
            row.gone_at is not None,
            None if row.tags is None else tuple(row.tags),
            row.beside,
        )
        for row in rows
    }


def store(connection: Connection, rows: Mapping[FileKey, KnownFile]) -> None:
    """Store files as they are now, in place of their older rows."""
    delete(connection, rows)
    now = time.time()
    values = [
        {
            "collection": key[0],
            "source": key[1],
            **{name: getattr(row.mark, name) for name in MARK_COLUMNS},
            "sha256": row.sha256,
            "document_id": row.document_id,
            "tags": None if row.tags is None else list(row.tags),
            "beside": row.sidecar,
            "gone_at": now if row.gone else None,
        }
        for key, row in rows.items()
    ]
    for group in split_list(values, 1000):
        connection.execute(seen.insert(), list(group))


def delete(connection: Connection, keys: Collection[FileKey]) -> None:
    """Delete the rows of these files."""
    for group in split_list(sorted(keys), 400):
        connection.execute(seen.delete().where(sa.tuple_(seen.c.collection, seen.c.source).in_(group)))


def content_of_job(connection: Connection, job_id: str) -> dict[str, str]:
    """The content that a job read of its documents: {document id: SHA-256}; refused files are left out."""
    version = sa.func.coalesce(attempts.c.version_id, documents.c.live_version_id)
    query = (
        sa.select(submissions.c.document_id, versions.c.content_sha256)
        .join(documents, documents.c.id == submissions.c.document_id)
        .outerjoin(attempts, attempts.c.id == submissions.c.attempt_id)
        .join(versions, versions.c.id == version)
        .where(submissions.c.job_id == job_id)
    )
    return {row.document_id: row.content_sha256 for row in connection.execute(query)}


def revivable(connection: Connection, document_ids: Collection[str]) -> set[str]:
    """Those of these documents that are deleted and can be revived."""
    revivable_ids: set[str] = set()
    for group in split_list(list(document_ids)):
        query = sa.select(documents.c.id).where(documents.c.id.in_(group), documents.c.undo_until.is_not(None))
        revivable_ids |= set(connection.scalars(query))
    return revivable_ids


def documents_of_files(connection: Connection, keys: Collection[FileKey]) -> dict[FileKey, str]:
    """The documents of these files, deleted ones left out."""
    ids: dict[FileKey, str] = {}
    for group in split_list(sorted(keys), 400):
        query = sa.select(documents.c.collection, documents.c.source, documents.c.id).where(
            documents.c.deleted_at.is_(None), sa.tuple_(documents.c.collection, documents.c.source).in_(group)
        )
        ids |= {(row.collection, row.source): row.id for row in connection.execute(query)}
    return ids


def with_present_file(connection: Connection, document_ids: Collection[str]) -> set[str]:
    """Those of these documents whose file is present in a watched folder."""
    present: set[str] = set()
    for group in split_list(list(document_ids)):
        query = sa.select(seen.c.document_id).where(seen.c.document_id.in_(group), seen.c.gone_at.is_(None))
        present |= set(connection.scalars(query))
    return present


def live_content(connection: Connection, document_ids: Collection[str]) -> dict[str, str]:
    """SHA-256 of the live content of each of these documents, by document."""
    hashes: dict[str, str] = {}
    for group in split_list(list(document_ids)):
        query = (
            sa.select(documents.c.id, versions.c.content_sha256)
            .join(versions, versions.c.id == documents.c.live_version_id)
            .where(documents.c.id.in_(group))
        )
        hashes |= {row.id: row.content_sha256 for row in connection.execute(query)}
    return hashes


def new_request_id() -> str:
    """Make a request id for a job of a watcher."""
    return REQUEST_PREFIX + uuid.uuid4().hex[:12]


def in_other_collections(
    connection: Connection, root: str, keys: Collection[FileKey], *, own: bool = False
) -> dict[FileKey, str]:
    """The documents of these files that a workflow's route has put into another collection than the files' own.

    Only documents that no process but this folder's watcher has ever submitted, and that no file of the watched
    folders has: what another process ingested under the same source does not belong to the watcher.

    Args:
        connection: the catalog.
        root: the watched folder.
        keys: the files.
        own: include the documents in the files' own collection.
    """
    document_ids: dict[FileKey, str] = {}
    for sources in split_list(sorted({source for _, source in keys}), 400):
        origins = _collections_asked_for(connection, root, sources)
        with_file = with_present_file(connection, [document_id for document_id, _, _ in origins])
        for (document_id, collection, source), collections in origins.items():
            asked = collections.pop()
            if asked is None or collections or document_id in with_file:
                continue
            if own or asked != collection:
                document_ids[asked, source] = document_id
    return {key: document_id for key, document_id in document_ids.items() if key in keys}


def _collections_asked_for(
    connection: Connection, root: str, sources: Collection[str]
) -> dict[tuple[str, str, str], set[str | None]]:
    """The collections that jobs named for the documents of these sources; None for a job of another process.

    Returns:
        {(document id, collection, source): collections of the jobs}; none of the sets is empty.
    """
    is_reindex = sa.exists().where(reindexes.c.job_id == jobs.c.id)
    query = (
        sa.select(documents.c.id, documents.c.collection, documents.c.source, jobs.c.collection.label("asked"))
        .add_columns(jobs.c.request_id, jobs.c.paths)
        .join(submissions, submissions.c.document_id == documents.c.id)
        .join(jobs, jobs.c.id == submissions.c.job_id)
        .where(documents.c.deleted_at.is_(None), documents.c.source.in_(sources), ~is_reindex)
    )
    origins: dict[tuple[str, str, str], set[str | None]] = defaultdict(set)
    for row in connection.execute(query):
        is_ours = row.request_id.startswith(REQUEST_PREFIX) and row.paths == [root]
        origins[row.id, row.collection, row.source].add(row.asked if is_ours else None)
    return origins


def submitted_documents(connection: Connection, job_id: str, keys: Collection[FileKey]) -> dict[FileKey, str]:
    """The documents of these files as a job has recorded them, whichever collection they went to."""
    document_ids: dict[FileKey, str] = {}
    by_source = {source: (collection, source) for collection, source in keys}
    for sources in split_list(list(by_source), 400):
        query = (
            sa.select(submissions.c.source, submissions.c.document_id)
            .join(documents, documents.c.id == submissions.c.document_id)
            .where(submissions.c.job_id == job_id, submissions.c.source.in_(sources), documents.c.deleted_at.is_(None))
        )
        document_ids |= {by_source[row.source]: row.document_id for row in connection.execute(query)}
    return document_ids
