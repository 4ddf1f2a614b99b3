"""Clean-up: remove old rows, points, files and cached vectors that no document needs, after crashes too."""

from __future__ import annotations

import time
from itertools import groupby

import structlog

from pipeline.catalog import Connection
from pipeline.catalog.api import idempotency
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import garbage
from pipeline.catalog.index import vector_cache
from pipeline.catalog.work import attempt_errors, batches, events, ledger, notices, outbox
from pipeline.disk.temporary_folder import remove_abandoned, tmp_of
from pipeline.points.visibility import remove_unseen
from pipeline.services import Services
from pipeline.spool import ORIGINALS, LocalSpool, Spool, original_key
from pipeline.stages.artifacts import batch_prefix
from pipeline.stages.discard import discard, keys_in
from pipeline.stages.kept_ocr import OCR
from pipeline.stages.kept_texts import TEXTS, text_key_of

__all__ = ["sweep"]

log = structlog.get_logger()

DAY_S = 86400.0
KEEP_LEDGER_S = 2 * DAY_S
KEEP_EVENTS_S = 30 * DAY_S
KEEP_DRAFTS_S = DAY_S
KEEP_OUTBOX_S = 7 * DAY_S
KEEP_OCR_S = 7 * DAY_S
GUARD_S = 3600.0
"""Copies of files and texts that are younger are kept: intake may be about to record them in the catalog."""

SLICE = 500
"""Documents whose left-over points one sweep removes."""

CACHED_VECTORS = 1_000_000
"""Vectors that the cache keeps: 1.5 GB at 384 dimensions."""


def sweep(services: Services) -> None:
    """Delete old rows and cached vectors, and remove from the spool what no document needs."""
    now = time.time()
    with writing(services.catalog) as connection:
        ledger.prune(connection, now - KEEP_LEDGER_S)
        events.prune(connection, now - KEEP_EVENTS_S)
        attempt_errors.prune(connection, now - KEEP_EVENTS_S)
        idempotency.prune(connection, now - idempotency.KEEP_S)
        outbox.prune(connection, now - KEEP_OUTBOX_S)
        notices.prune(connection, now - KEEP_OUTBOX_S)
    with vector_cache.ignore_if_unusable(), writing(services.cache, durable=False) as connection:
        vector_cache.prune(connection, CACHED_VECTORS)
    _sweep_points(services, now - KEEP_DRAFTS_S)
    _sweep_batches(services, now - KEEP_DRAFTS_S)
    _sweep_originals(services, now - GUARD_S)
    _sweep_texts(services, now - GUARD_S)
    _sweep_ocr(services, now - KEEP_OCR_S)
    _sweep_drafts(services, now - KEEP_DRAFTS_S)


def _sweep_points(services: Services, before: float) -> None:
    """Remove points that a `finalize` which did not end has left behind."""
    with services.catalog.connect() as connection:
        leftovers = garbage.documents_with_leftovers(connection, before, SLICE)
    for _, rows in groupby(leftovers, key=lambda row: row[0]):
        remove_unseen(services, [document_id for _, document_id in rows])


def _sweep_batches(services: Services, before: float) -> None:
    """Remove artifacts of batches that have ended, and those of unknown batches that were written before this time."""
    spool, names = services.spool, services.spool.names("batches")
    with services.catalog.connect() as connection:
        states = batches.states(connection, names)
    for name in names:
        # A document that moves to a new batch has its text in that batch's folder before the batch is committed.
        if name in states:
            is_over = states[name] not in ("waiting", "active")
        else:
            is_over = _is_older(spool, batch_prefix(name), before)
        if is_over:
            spool.delete(batch_prefix(name))


def _is_older(spool: Spool, key: str, before: float) -> bool:
    try:
        return spool.modified_at(key) < before
    except FileNotFoundError:
        return False


def _sweep_originals(services: Services, before: float) -> None:
    """Remove copies of files that neither a running attempt nor a retry needs."""
    if services.settings.keep_originals:
        return
    keys = keys_in(services.spool, ORIGINALS)

    def unneeded(connection: Connection) -> set[str]:
        return keys - {original_key(*row) for row in garbage.needed_originals(connection)}

    if keys:
        discard(services, unneeded, before)


def _sweep_texts(services: Services, before: float) -> None:
    """Remove the texts that no version needs, live or being built."""
    keys = keys_in(services.spool, TEXTS)

    def unneeded(connection: Connection) -> set[str]:
        if not services.settings.keep_texts:
            return keys
        return keys - {text_key_of(*row) for row in garbage.needed_texts(connection)}

    if keys:
        discard(services, unneeded, before)


def _sweep_ocr(services: Services, before: float) -> None:
    """Remove the pages that OCR read of documents which failed before this time and were not tried again."""
    for key in keys_in(services.spool, OCR):
        if _is_older(services.spool, key, before):
            services.spool.delete(key)


def _sweep_drafts(services: Services, before: float) -> None:
    spool = services.spool
    remove_abandoned(tmp_of(services.settings.data_dir))
    # The second one is where versions before this one kept files that arrived.
    folders = [spool.drafts] if isinstance(spool, LocalSpool) else []
    folders += [folder for folder in (services.settings.data_dir / "spool" / "drafts",) if folder.is_dir()]
    for draft in (draft for folder in folders for draft in folder.iterdir()):
        try:
            if draft.stat().st_mtime < before:
                draft.unlink()
        except FileNotFoundError:
            continue
