"""Feeding a re-index: documents that the other index lacks, in slices, as many as there is room for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from sqlalchemy.engine import Connection

from pipeline.catalog import documents, indexes, lacks, ledger, reindexes, shadows
from pipeline.catalog.documents import Place, Recorded
from pipeline.catalog.engine import writing
from pipeline.catalog.indexes import Index
from pipeline.catalog.lacks import Lack
from pipeline.catalog.reindexes import Reindex
from pipeline.catalog.slices import slices
from pipeline.errors import Rejected
from pipeline.flow import admit
from pipeline.intake import take
from pipeline.places import plan_of, recipe_of
from pipeline.plan import Plan
from pipeline.services import Services
from pipeline.spool import original_key
from pipeline.texts import text_key_of

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
        found = lacks.lacks(connection, one.collection, index, "missing", one.cursor or "", room)
        if len(found) < room and one.cursor:
            # The end is reached: those too that came, or changed, behind the cursor.
            found = lacks.lacks(connection, one.collection, index, "missing", "", room)
    counted = one.state == "building"
    return _begin(services, one, index, found, counted=counted)


def feed_in_place(services: Services, one: Reindex) -> bool:
    """Begin documents anew in the live index.

    Returns:
        Whether all that are meant were begun.
    """
    room = _room(services, one)
    if room <= 0:
        return False
    with services.catalog.connect() as connection:
        found = lacks.wanted(connection, one.collection, one.options, one.cursor or "", room)
    _begin(services, one, one.to_index, found, counted=True)
    return not found


def _room(services: Services, one: Reindex) -> int:
    settings = services.settings
    with services.catalog.connect() as connection:
        room = settings.window * settings.batch_documents - reindexes.busy(connection, one.job_id)
    if one.options.per_minute is not None:
        waited_s = min(time.time() - one.options.fed_at, LONGEST_DEBT_S)
        room = min(room, int(waited_s * one.options.per_minute / 60))
    return room


def _begin(services: Services, one: Reindex, index: str, found: Sequence[Lack], *, counted: bool) -> int:
    if not found:
        return 0
    for lack in found:
        _provide(services, lack, anew=one.options.re_extract)
    with writing(services.catalog) as connection:
        if reindexes.get(connection, one.id).state != one.state:
            return 0  # somebody gave it up, or rolled it back, meanwhile
        target = indexes.get(connection, index)
        still = [lack for lack in found if not one.in_place or lacks.is_still(connection, lack, one.options)]
        begun = [(lack, _attempt(services, connection, one, target, lack, counted)) for lack in still]
        for plan, attempt_ids in _packed(services, connection, begun):
            ledger.create_batch(connection, one.job_id, one.options.priority, attempt_ids, plan=plan)
        options = replace(one.options, fed_at=time.time())
        cursor = found[-1].document_id
        reindexes.change(connection, one.id, cursor=cursor, fed=one.fed + len(begun), options=asdict(options))
    admit(services)
    services.announce(one.job_id)
    return len(begun)


def _attempt(services: Services, connection: Connection, one: Reindex, target: Index, lack: Lack, counted: bool) -> str:
    extraction = services.extraction if one.options.re_extract else lack.extraction
    recipe = recipe_of(services, connection, target, lack.version_id, extraction)
    place = Place(target.name, lack.workflow, extraction)
    if one.in_place:
        documents.supersede(connection, lack.document_id)
    attempt_id = documents.new_attempt(connection, one.job_id, lack.document_id, recipe, lack.found, place)
    if one.in_place:
        documents.begin(connection, lack.document_id, attempt_id)
    else:
        shadows.point(connection, lack.document_id, target.name, attempt_id=attempt_id)
    if counted:
        documents.submit(connection, one.job_id, lack.found, Recorded(lack.document_id, attempt_id, "new"))
    return attempt_id


def _packed(
    services: Services, connection: Connection, begun: Sequence[tuple[Lack, str]]
) -> Iterator[tuple[Plan, list[str]]]:
    """Batches of documents that were made by one plan: (plan, attempts)."""
    groups: dict[str, tuple[Plan, list[str]]] = {}
    for lack, attempt_id in begun:
        plan = plan_of(connection, lack.version_id)
        groups.setdefault(repr(plan), (plan, []))[1].append(attempt_id)
    for plan, ids in groups.values():
        for piece in slices(ids, services.settings.batch_documents):
            yield plan, list(piece)


def _provide(services: Services, lack: Lack, *, anew: bool) -> None:
    """Where no text was kept, or it is not to be used, copy the file in again, if it is still there as it was."""
    spool, found = services.spool, lack.found
    text = text_key_of(found.content_sha256, found.source, lack.extraction)
    if anew or not spool.exists(text):
        _copy_in(services, lack)
    if anew and spool.exists(original_key(found.content_sha256, found.source)):
        # Where the file is gone, the text that was kept is all there is, and is taken.
        spool.delete(text)


def _copy_in(services: Services, lack: Lack) -> None:
    spool, found = services.spool, lack.found
    key = original_key(found.content_sha256, found.source)
    if spool.exists(key):
        return
    if not found.source.startswith("/"):
        return
    try:
        taken = take(Path(found.source), found.source, services.settings.max_file_mb << 20, services.drafts)
    except Rejected:
        return  # `extract` says so of the document
    if taken.found.content_sha256 == found.content_sha256:
        if taken.data is not None:
            spool.write(key, taken.data)
        elif taken.draft is not None:
            spool.take(key, taken.draft)
    elif taken.draft is not None:
        taken.draft.unlink(missing_ok=True)
