"""Backfill: process documents that an index is missing, a slice at a time, as many as there is room for.

What needs files or the facts of a model is done before the write lock is taken; the transaction then begins only the
documents that are still as they were read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents import records
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.versions import Placement, new_attempt
from pipeline.catalog.index import indexes, second_index
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.reindex import missing_documents, reindexes
from pipeline.catalog.reindex.missing_documents import MissingDocument
from pipeline.catalog.reindex.reindexes import Reindex
from pipeline.catalog.work import batches
from pipeline.catalog.work.batches import plan_of_version
from pipeline.engine.admission import admit_safely
from pipeline.plan import Plan
from pipeline.reindex.source_files import copy_originals, key_of_original
from pipeline.services import Services
from pipeline.stages.kept_texts import text_key_of

__all__ = ["backfill", "backfill_in_place"]

MAX_ARREARS_S = 60.0
"""`per_minute` allows at most the documents of this time at once, however long none was begun."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A document that is ready to begin.

    plan            the plan of its version
    extraction      how its file is read
    recipe          recipe of its points in the new index
    has_original    whether its file is in the spool
    left_alone      it is only outdated, and there is neither its file nor its text to make it anew from
    """

    document: MissingDocument
    plan: Plan
    extraction: str
    recipe: str
    has_original: bool
    left_alone: bool = False


def backfill(services: Services, reindex: Reindex, index: str) -> int:
    """Begin documents that an index beside the live one is missing.

    Returns:
        How many. 0 may mean that there is no room at the moment.
    """
    room = _room(services, reindex)
    if room <= 0:
        return 0
    with services.catalog.connect() as connection:
        documents = missing_documents.list_missing(
            connection, reindex.collection, index, "missing", reindex.cursor or "", room
        )
        if len(documents) < room and reindex.cursor:
            # The cursor is at the end: from the beginning, for documents that came in or changed behind it.
            documents = missing_documents.list_missing(connection, reindex.collection, index, "missing", "", room)
    return _begin(services, reindex, index, documents)


def backfill_in_place(services: Services, reindex: Reindex) -> bool:
    """Begin the chosen documents anew in the live index.

    Returns:
        Whether all of them were begun.
    """
    room = _room(services, reindex)
    if room <= 0:
        return False
    with services.catalog.connect() as connection:
        documents = missing_documents.list_selected(
            connection, reindex.collection, reindex.options, reindex.cursor or "", room
        )
    _begin(services, reindex, reindex.to_index, documents)
    return not documents


def _room(services: Services, reindex: Reindex) -> int:
    """How many documents may begin now: bounded by the admission window, and by `per_minute` while it builds."""
    settings, options = services.settings, reindex.options
    with services.catalog.connect() as connection:
        room = settings.window * settings.batch_documents - reindexes.count_running(connection, reindex.job_id)
    if options.per_minute is not None and reindex.state == "building":
        waited_s = min(time.time() - options.fed_at, MAX_ARREARS_S)
        room = min(room, int(waited_s * options.per_minute / 60))
    return room


def _begin(services: Services, reindex: Reindex, index: str, documents: Sequence[MissingDocument]) -> int:
    if not documents:
        return 0
    prepared = _prepare(services, reindex, index, documents)
    with writing(services.catalog) as connection:
        begun = _begin_unchanged(services, connection, reindex, index, prepared)
    if begun:
        _renew_originals(services, reindex, begun)
        admit_safely(services)
        services.announce(reindex.job_id)
    return len(begun)


def _prepare(services: Services, reindex: Reindex, index: str, documents: Sequence[MissingDocument]) -> list[_Prepared]:
    """Do all that needs files or a model's facts: copy originals into the spool, and compute each document's recipe."""
    documents = copy_originals(services, reindex, documents)
    with services.catalog.connect() as connection:
        target = indexes.get(connection, index)
        plans = [plan_of_version(connection, document.version_id) for document in documents]
    return [
        _prepare_one(services, reindex, target, document, plan) for document, plan in zip(documents, plans, strict=True)
    ]


def _prepare_one(
    services: Services, reindex: Reindex, target: Index, document: MissingDocument, plan: Plan
) -> _Prepared:
    has_original = services.spool.exists(key_of_original(document))
    # Without the file the kept text is all there is, and is used.
    extraction = (
        services.extraction_of(document.ocr) if reindex.options.re_extract and has_original else document.extraction
    )
    text_key = text_key_of(document.file.content_sha256, document.file.source, extraction)
    left_alone = reindex.options.outdated and not has_original and not services.spool.exists(text_key)
    return _Prepared(document, plan, extraction, services.recipe(target, extraction, plan), has_original, left_alone)


def _renew_originals(services: Services, reindex: Reindex, begun: Sequence[_Prepared]) -> None:
    """Renew the originals after the commit, and copy those again that were removed (see `pipeline.stages.discard`).

    Until the commit the catalog named them for no attempt, so another process may have removed them.
    """
    originals = [item.document for item in begun if item.has_original]
    lost = [document for document in originals if not services.spool.renew(key_of_original(document))]
    copy_originals(services, reindex, lost)


def _begin_unchanged(
    services: Services, connection: Connection, reindex: Reindex, index: str, prepared: Sequence[_Prepared]
) -> list[_Prepared]:
    """Begin the documents that are as they were before the write lock was taken.

    Others were deleted, changed or begun by another process meanwhile; an original that was copied in for one of them
    is removed by the clean-up.

    Returns:
        The documents that were begun.
    """
    current = reindexes.get(connection, reindex.id)
    if current.state != reindex.state or current.paused:
        return []  # paused, cancelled or rolled back meanwhile
    ready = [item.document for item in prepared if not item.left_alone]
    unchanged = _unchanged(connection, reindex, index, ready)
    begun = [item for item in prepared if item.document.document_id in unchanged]
    attempts = [(item.plan, _new_attempt(connection, current, index, item)) for item in begun]
    for plan, attempt_ids in _batches(attempts, services.settings.batch_documents):
        batches.create(connection, reindex.job_id, _priority(services, reindex), attempt_ids, plan=plan)
    options = asdict(replace(current.options, fed_at=time.time()))
    cursor = prepared[-1].document.document_id
    reindexes.update(connection, reindex.id, cursor=cursor, fed=current.fed + len(begun), options=options)
    return begun


def _unchanged(connection: Connection, reindex: Reindex, index: str, documents: Sequence[MissingDocument]) -> set[str]:
    """Ids of the documents that are as they were read, and that no other attempt is processing."""
    if reindex.in_place:
        kept = [
            document for document in documents if missing_documents.is_unchanged(connection, document, reindex.options)
        ]
    else:
        kept = missing_documents.still_missing(connection, reindex.collection, index, documents)
    return {document.document_id for document in kept}


def _new_attempt(connection: Connection, reindex: Reindex, index: str, item: _Prepared) -> str:
    document = item.document
    placement = Placement(index, document.workflow, item.extraction, ocr=document.ocr)
    if reindex.in_place:
        records.cancel_current(connection, [document.document_id])
    attempt_id = new_attempt(connection, reindex.job_id, document.document_id, item.recipe, document.file, placement)
    if reindex.in_place:
        records.set_current_attempt(connection, document.document_id, attempt_id)
    else:
        second_index.set_attempt(connection, document.document_id, index, attempt_id, document.version_id)
    if reindex.state == "building":
        recorded = Recorded(document.document_id, attempt_id, "new")
        records.add_submission(connection, reindex.job_id, document.file, recorded)
    return attempt_id


def _priority(services: Services, reindex: Reindex) -> int:
    """Priority of its batches. A user waits for a rollback: at the lowest priority it might never be done."""
    if reindex.state in ("rolling_back", "switching_back"):
        return max(reindex.options.priority, services.settings.priority)
    return reindex.options.priority


def _batches(attempts: Sequence[tuple[Plan, str]], size: int) -> Iterator[tuple[Plan, list[str]]]:
    """Batches of attempts of one plan each: (plan, attempt ids)."""
    groups: dict[str, tuple[Plan, list[str]]] = {}
    for plan, attempt_id in attempts:
        groups.setdefault(repr(plan), (plan, []))[1].append(attempt_id)
    for plan, attempt_ids in groups.values():
        for batch in split_list(attempt_ids, size):
            yield plan, list(batch)
