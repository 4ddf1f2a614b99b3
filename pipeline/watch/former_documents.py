"""Former documents of files whose documents are in another collection now, as a workflow's route decides."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import deletion, watched_files
from pipeline.catalog.documents.watched_files import FileKey, KnownFile
from pipeline.catalog.work import failures
from pipeline.services import Services

__all__ = ["delete_former", "delete_permanently", "former_documents", "rerouted"]


def rerouted(before: Mapping[FileKey, KnownFile], now: Mapping[FileKey, KnownFile]) -> set[FileKey]:
    """Files that have another document than before: the former one is in another collection."""
    former = {key: before[key].document_id for key in now if key in before}
    return {
        key for key, document_id in former.items() if document_id and now[key].document_id not in (None, document_id)
    }


def delete_former(
    services: Services,
    root: str,
    known: Mapping[FileKey, KnownFile],
    keys: Collection[FileKey],
    *,
    wait_for_current: bool = True,
) -> set[FileKey]:
    """Delete the former documents of files that a workflow's route sends to another collection now.

    Args:
        services: the engine's services.
        root: the folder.
        known: its files.
        keys: the files that may have former documents.
        wait_for_current: a former document goes only once the current one is searchable with the file's content.

    Returns:
        The files that have no former document any more.
    """
    if not keys:
        return set()
    current = {key: str(known[key].document_id) for key in keys if key in known and known[key].document_id}
    with services.catalog.connect() as connection:
        former = former_documents(connection, root, current)
    if former:
        with writing(services.catalog) as connection:
            former = former_documents(connection, root, current)
            contents = watched_files.live_content(connection, [current[key] for key in former])
            ready = {key for key in former if not wait_for_current or contents.get(current[key]) == known[key].sha256}
            delete_permanently(connection, [former[key] for key in ready])
    return {key for key in keys if key not in former and (key in current or key not in known)}


def former_documents(connection: Connection, root: str, current: Mapping[FileKey, str]) -> dict[FileKey, str]:
    """{file: id of its former document} of files that have one; only documents that this watcher submitted count."""
    documents = watched_files.in_other_collections(connection, root, current, own=True) if current else {}
    return {key: document_id for key, document_id in documents.items() if document_id not in current.values()}


def delete_permanently(connection: Connection, document_ids: Collection[str]) -> None:
    """Delete documents for good: they cannot be revived, and their points go with the next clean-up."""
    if document_ids:
        deletion.tombstone(connection, list(document_ids), time.time())
        failures.delete_of_documents(connection, document_ids)
