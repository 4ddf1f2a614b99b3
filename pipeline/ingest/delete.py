"""Delete documents: readers no longer see them at once, then their points are removed, and that is verified."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from pipeline.backoff import backoff_s
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents import deletion, garbage, lookup
from pipeline.catalog.index import indexes
from pipeline.catalog.work import failures
from pipeline.errors import UnknownId, VerificationFailed
from pipeline.ingest.walk import source_of_path
from pipeline.points.visibility import remove_unseen
from pipeline.results import Deleted
from pipeline.services import Services
from pipeline.spool import ORIGINALS, original_key
from pipeline.stages.discard import discard, keys_in
from pipeline.stages.kept_images import image_folder
from pipeline.stages.kept_ocr import OCR
from pipeline.stages.kept_texts import TEXTS, text_key_of
from pipeline.vectorstore.base import Filter

__all__ = ["choose", "delete", "find", "release", "remove"]

SLICE = 200
"""Documents whose points are removed by one request to the store."""

TRIES = 4
"""Tries to remove points: a task that was cancelled a moment ago may still store the points that it has made."""


def delete(services: Services, collection: str, named: Sequence[str]) -> Deleted:
    """Delete documents by source (a file, or a folder for all below it) or by id.

    Raises:
        UnknownId: no document has one of the names; nothing is deleted then.
        VerificationFailed: points are left; deleting again removes them.
    """
    return remove(services, collection, choose(services, collection, named))


def remove(services: Services, collection: str, chosen: Mapping[str, str]) -> Deleted:
    """Delete the documents of a collection that `choose` has found: {id: source}.

    Raises:
        VerificationFailed: points are left; deleting again removes them.
    """
    points = 0
    document_ids = list(chosen)
    for some_ids in split_list(document_ids, SLICE):
        points += _delete_some(services, collection, some_ids)
    _discard_files(services, document_ids)
    return Deleted(documents=len(chosen), points=points, sources=sorted(chosen.values()))


def choose(services: Services, collection: str, named: Sequence[str]) -> dict[str, str]:
    """Find the documents with these names: {id: source}. Only the catalog is read.

    Raises:
        UnknownId: no document has one of the names.
    """
    chosen: dict[str, str] = {}
    with services.catalog.connect() as connection:
        for name in named:
            matches = find(connection, collection, name)
            if not matches:
                raise UnknownId(
                    f"No document of the collection {collection} is named {name}.", _elsewhere(connection, name)
                )
            chosen |= matches
    return chosen


def _elsewhere(connection: Connection, name: str) -> str:
    """A hint if the name is the id of a document in another collection; else empty."""
    other = lookup.collection_of(connection, name)
    return f"It is in the collection {other}: say so with --collection {other}." if other else ""


def find(connection: Connection, collection: str, name: str) -> dict[str, str]:
    """Find documents by source, folder or id: {id: source}. Deleted ones only if points of theirs may be left."""
    given = os.fsencode(name).decode("utf-8", "backslashreplace")
    return lookup.find(connection, collection, (given, source_of_path(name)))


def release(services: Services) -> int:
    """Remove the points of deleted documents that can no longer be revived.

    Returns:
        How many documents they were.
    """
    with services.catalog.connect() as connection:
        expired = deletion.list_expired(connection, SLICE)
    if expired:
        remove_unseen(services, expired)
        with writing(services.catalog) as connection:
            deletion.end_undo(connection, expired)
    return len(expired)


def _delete_some(services: Services, collection: str, document_ids: Sequence[str]) -> int:
    where = Filter(document_ids=tuple(document_ids))
    with services.catalog.connect() as connection:
        index_names = [index.name for index in indexes.list_of_collection(connection, collection)]
        live = indexes.live(connection, collection)
    before = services.store.count(live.name, where) if live else 0
    with writing(services.catalog) as connection:
        deletion.tombstone(connection, document_ids)
        failures.delete_of_documents(connection, document_ids)
    for tries in range(1, TRIES + 1):
        remove_unseen(services, document_ids)
        left = sum(services.store.count(name, where) for name in index_names)
        if not left:
            return before
        with writing(services.catalog) as connection:
            garbage.unmark_removed(connection, document_ids)
        time.sleep(backoff_s(tries, 0.1, 2.0, factor=3.0))
    raise VerificationFailed(f"{left} points of deleted documents are still in the store.")


def _discard_files(services: Services, document_ids: Sequence[str]) -> None:
    """Remove the originals and texts of all versions of these documents, unless another document needs them.

    Images of their pages, and pages that OCR read of failed ones, go in any case: for another document of the same
    content they are made again.
    """
    spool, settings = services.spool, services.settings
    with services.catalog.connect() as connection:
        contents = garbage.contents_of(connection, document_ids)
    for pages in keys_in(spool, OCR, contents):
        spool.delete(pages)
    for content in contents:
        spool.delete(image_folder(content))
    keys = keys_in(spool, TEXTS, contents)
    if not settings.keep_originals:
        keys |= keys_in(spool, ORIGINALS, contents)

    def unneeded(connection: Connection) -> set[str]:
        originals = {original_key(*row) for row in garbage.needed_originals(connection, contents)}
        return keys - originals - {text_key_of(*row) for row in garbage.needed_texts(connection, contents)}

    if keys:
        discard(services, unneeded)
