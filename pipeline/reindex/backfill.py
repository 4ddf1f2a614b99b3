"""Feeding a re-index: documents that the other index lacks, in slices, as many as there is room for.

What is to be read again is copied beside the spool first, and moved into it in the transaction that begins the
document: the sweep, which works under the same lock, cannot come between.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents import records
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.versions import Placement, new_attempt
from pipeline.catalog.index import indexes, missing, reindexes, second_index
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.index.missing import MissingDocument
from pipeline.catalog.index.reindexes import Reindex
from pipeline.catalog.work import ledger
from pipeline.catalog.work.ledger import plan_of_version
from pipeline.engine.admission import admit_safely
from pipeline.errors import Rejected
from pipeline.ingest.content import FileContent, read_content
from pipeline.ingest.placement import recipe_of
from pipeline.ingest.walk import path_of
from pipeline.plan import Plan
from pipeline.reindex.mended_files import as_they_are
from pipeline.services import Services
from pipeline.spool import original_key
from pipeline.stages.kept_texts import text_key_of

__all__ = ["feed", "feed_in_place"]

LONGEST_DEBT_S = 60.0
"""A throttle gives no more documents at once than it would in this time."""


def feed(services: Services, one: Reindex, index: str) -> int:
    """Begin documents that an index beside the live one lacks.

    Returns:
        How many. 0 may mean that there is no room at the moment.
    """
    room = _room(services, one)
    if room <= 0:
        return 0
    with services.catalog.connect() as connection:
        found = missing.lacks(connection, one.collection, index, "missing", one.cursor or "", room)
        if len(found) < room and one.cursor:
            # The end is reached: those too that came, or changed, behind the cursor.
            found = missing.lacks(connection, one.collection, index, "missing", "", room)
    return _begin(services, one, index, found)


def feed_in_place(services: Services, one: Reindex) -> bool:
    """Begin documents anew in the live index.

    Returns:
        Whether all that are meant were begun.
    """
    room = _room(services, one)
    if room <= 0:
        return False
    with services.catalog.connect() as connection:
        found = missing.wanted(connection, one.collection, one.options, one.cursor or "", room)
    _begin(services, one, one.to_index, found)
    return not found


def _room(services: Services, one: Reindex) -> int:
    settings = services.settings
    with services.catalog.connect() as connection:
        room = settings.window * settings.batch_documents - reindexes.busy(connection, one.job_id)
    if one.options.per_minute is not None and one.state == "building":
        waited_s = min(time.time() - one.options.fed_at, LONGEST_DEBT_S)
        room = min(room, int(waited_s * one.options.per_minute / 60))
    return room


def _begin(services: Services, one: Reindex, index: str, found: Sequence[MissingDocument]) -> int:
    if not found:
        return 0
    drafts: dict[str, Path] = {}
    try:
        found = [_copied(services, pair, drafts) for pair in _to_be_read(services, one, found)]
        with writing(services.catalog) as connection:
            begun = _begin_still(services, connection, one, index, found, drafts)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    if begun:
        admit_safely(services)
        services.announce(one.job_id)
    return begun


def _begin_still(
    services: Services,
    connection: Connection,
    one: Reindex,
    index: str,
    found: Sequence[MissingDocument],
    drafts: Mapping[str, Path],
) -> int:
    """Begin those that are still as they were found, before the lock was had."""
    now = reindexes.get(connection, one.id)
    if now.state != one.state or now.paused:
        return 0  # somebody paused it, gave it up, or rolled it back, meanwhile
    target = indexes.get(connection, index)
    if one.in_place:
        still = [lack for lack in found if missing.is_still(connection, lack, one.options)]
    else:
        still = missing.still_missing(connection, one.collection, index, found)
    for lack in still:
        if lack.document_id in drafts:
            services.spool.put_file(_original(lack), drafts[lack.document_id])
    begun = [(lack, _attempt(services, connection, now, target, lack)) for lack in still]
    # Who goes back waits for it: behind all that comes in it might never have its turn.
    back = one.state in ("rolling_back", "switching_back")
    priority = max(one.options.priority, services.settings.priority) if back else one.options.priority
    for plan, attempt_ids in _packed(services, connection, begun):
        ledger.create_batch(connection, one.job_id, priority, attempt_ids, plan=plan)
    options = replace(now.options, fed_at=time.time())
    cursor = found[-1].document_id
    reindexes.change(connection, one.id, cursor=cursor, fed=now.fed + len(begun), options=asdict(options))
    return len(begun)


def _attempt(services: Services, connection: Connection, one: Reindex, target: Index, lack: MissingDocument) -> str:
    # Where the file is gone, the text that was kept is all there is, and is taken.
    anew = one.options.re_extract and services.spool.exists(_original(lack))
    extraction = services.extraction if anew else lack.extraction
    recipe = recipe_of(services, connection, target, lack.version_id, extraction)
    place = Placement(target.name, lack.workflow, extraction)
    if one.in_place:
        records.supersede(connection, lack.document_id)
    attempt_id = new_attempt(connection, one.job_id, lack.document_id, recipe, lack.found, place)
    if one.in_place:
        records.begin(connection, lack.document_id, attempt_id)
    else:
        second_index.begin(connection, lack.document_id, target.name, attempt_id, lack.version_id)
    if one.state == "building":
        records.submit(connection, one.job_id, lack.found, Recorded(lack.document_id, attempt_id, "new"))
    return attempt_id


def _packed(
    services: Services, connection: Connection, begun: Sequence[tuple[MissingDocument, str]]
) -> Iterator[tuple[Plan, list[str]]]:
    """Batches of documents that were made by one plan: (plan, attempts)."""
    groups: dict[str, tuple[Plan, list[str]]] = {}
    for lack, attempt_id in begun:
        plan = plan_of_version(connection, lack.version_id)
        groups.setdefault(repr(plan), (plan, []))[1].append(attempt_id)
    for plan, ids in groups.values():
        for piece in split_list(ids, services.settings.batch_documents):
            yield plan, list(piece)


def _to_be_read(
    services: Services, one: Reindex, found: Sequence[MissingDocument]
) -> Iterator[tuple[MissingDocument, FileContent | None]]:
    """The documents, with the content of those whose file is to be read and is there."""
    if one.options.code is not None:
        yield from as_they_are(services, found)
        return
    for lack in found:
        yield lack, _taken(services, one, lack)


def _taken(services: Services, one: Reindex, lack: MissingDocument) -> FileContent | None:
    """The file, if it is to be read: no text was kept, or it is not to be used; None without such a file."""
    spool, found = services.spool, lack.found
    known = spool.exists(text_key_of(found.content_sha256, found.source, lack.extraction))
    if (known and not one.options.re_extract) or spool.exists(_original(lack)) or not found.source.startswith("/"):
        return None
    try:
        taken = read_content(path_of(found.source), found.source, services.settings.max_file_mb << 20, services.drafts)
    except Rejected:
        return None  # `extract` says so of the document
    if taken.found.content_sha256 == found.content_sha256:
        return taken
    if taken.draft is not None:
        taken.draft.unlink(missing_ok=True)
    return None


def _copied(
    services: Services, pair: tuple[MissingDocument, FileContent | None], drafts: dict[str, Path]
) -> MissingDocument:
    """The document; what was taken of it is a file among the drafts from now on: there may be many."""
    lack, taken = pair
    if taken is None:
        return lack
    draft = taken.draft
    if draft is None:
        draft = services.drafts / uuid.uuid4().hex
        draft.write_bytes(taken.data or b"")
    drafts[lack.document_id] = draft
    return lack


def _original(lack: MissingDocument) -> str:
    return original_key(lack.found.content_sha256, lack.found.source)
