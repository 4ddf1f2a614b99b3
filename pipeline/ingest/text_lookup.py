"""Text records that are there: found by their ids, and deleted."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.catalog import Connection
from pipeline.catalog.documents import lookup
from pipeline.catalog.documents.versions import live_and_running
from pipeline.catalog.work import status
from pipeline.errors import UnknownId
from pipeline.ingest.delete import remove
from pipeline.names import TEXT
from pipeline.results import Deleted, TextDetail
from pipeline.services import Services
from pipeline.spool import original_key
from pipeline.stages.kept_texts import kept_text

__all__ = ["delete_texts", "find_text", "require_texts"]


def find_text(services: Services, collection: str, text_id: str) -> TextDetail:
    """Find a record by its id: its text, metadata and tags as readers see them now. Raises UnknownId."""
    with services.catalog.connect() as connection:
        (document_id,) = _ids(connection, collection, [text_id])
        document = status.document_status(connection, document_id, set())
        live, _ = live_and_running(connection, document_id)
    return TextDetail(
        id=text_id,
        collection=collection,
        document_id=document_id,
        state=document.state,
        searchable=live is not None,
        text=None if live is None else _text_of(services, TEXT + text_id, live["content_sha256"], live["extraction"]),
        metadata=(live and live["metadata"]) or {},
        tags=document.tags,
        chunks=0 if live is None else live["chunks"],
        code=document.code,
        message=document.message,
    )


def require_texts(services: Services, collection: str, text_ids: Sequence[str]) -> None:
    """Check that the collection has these records. Raises UnknownId."""
    with services.catalog.connect() as connection:
        _ids(connection, collection, text_ids)


def delete_texts(services: Services, collection: str, text_ids: Sequence[str]) -> Deleted:
    """Delete records with their points.

    Raises:
        UnknownId: there is no record with one of the ids; nothing is deleted then.
        VerificationFailed: points are left; deleting again removes them.
    """
    with services.catalog.connect() as connection:
        chosen = _ids(connection, collection, text_ids)
    return remove(services, collection, chosen)


def _ids(connection: Connection, collection: str, text_ids: Sequence[str]) -> dict[str, str]:
    """Ids of the documents of these records: {id: source}. Raises UnknownId: one of them is not there."""
    found = lookup.ids_of_sources(connection, collection, [TEXT + text_id for text_id in text_ids])
    missing = {TEXT + text_id for text_id in text_ids} - set(found.values())
    if missing:
        name = min(missing).removeprefix(TEXT)
        raise UnknownId(
            f"The collection {collection} has no text record {name!r}.",
            "List them with: docrelay documents --source 'text://*'",
        )
    return found


def _text_of(services: Services, source: str, content_sha256: str, extraction: str) -> str | None:
    """The text of a record, from its copy or from the kept text; None if the settings keep neither."""
    try:
        return services.spool.read(original_key(content_sha256, source)).decode()
    except FileNotFoundError:
        document = kept_text(services, content_sha256, source, extraction)
        return None if document is None else document.text
