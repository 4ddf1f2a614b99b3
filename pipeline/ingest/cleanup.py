"""Clean-up: what nobody needs any more goes, of what was left behind by crashes too."""

from __future__ import annotations

import time
from itertools import groupby

import structlog

from pipeline.catalog.api import idempotency
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import garbage
from pipeline.catalog.index import vector_cache
from pipeline.catalog.work import batches, events, ledger, outbox
from pipeline.points.visibility import remove_unseen
from pipeline.services import Services
from pipeline.spool import LocalSpool, original_key
from pipeline.stages.artifacts import batch_prefix
from pipeline.stages.kept_texts import sweep_texts

__all__ = ["sweep", "sweep_originals"]

log = structlog.get_logger()

DAY_S = 86400.0
KEEP_LEDGER_S = 2 * DAY_S
KEEP_EVENTS_S = 30 * DAY_S
KEEP_DRAFTS_S = DAY_S
KEEP_OUTBOX_S = 7 * DAY_S
SLICE = 500
"""Documents whose forgotten points one sweep removes."""

CACHED_VECTORS = 1_000_000
"""Vectors that the cache keeps: 1.5 GB at 384 dimensions."""


def sweep(services: Services) -> None:
    """Forget old rows of what has ended, and cached vectors; empty the spool of what no document needs."""
    now = time.time()
    with writing(services.catalog) as connection:
        ledger.prune(connection, now - KEEP_LEDGER_S)
        events.prune(connection, now - KEEP_EVENTS_S)
        idempotency.prune(connection, now - idempotency.KEEP_S)
        outbox.prune(connection, now - KEEP_OUTBOX_S)
    with vector_cache.ignore_if_unusable(), writing(services.cache, durable=False) as connection:
        vector_cache.prune(connection, CACHED_VECTORS)
    _sweep_points(services, now - KEEP_DRAFTS_S)
    _sweep_batches(services)
    sweep_originals(services)
    sweep_texts(services)
    _sweep_drafts(services, now - KEEP_DRAFTS_S)


def _sweep_points(services: Services, before: float) -> None:
    """Remove points that a finalize which never came to its end left behind."""
    with services.catalog.connect() as connection:
        found = garbage.documents_with_leftovers(connection, before, SLICE)
    for _, rows in groupby(found, key=lambda row: row[0]):
        remove_unseen(services, [document_id for _, document_id in rows])


def _sweep_batches(services: Services) -> None:
    names = set(services.spool.names("batches"))
    # Under the write lock: a document that leaves its batch has its text here before its new batch is committed.
    with writing(services.catalog) as connection:
        active = batches.list_unfinished(connection)
    for name in names - active:
        services.spool.delete(batch_prefix(name))


def sweep_originals(services: Services) -> None:
    """Remove copies of files that neither a running attempt nor a retry needs."""
    if services.settings.keep_originals:
        return
    spool = services.spool
    found = {
        f"originals/{folder}/{name}"
        for folder in spool.names("originals")
        for name in spool.names(f"originals/{folder}")
    }
    if not found:
        return
    # Under the write lock: intake copies originals in before it commits their rows, and looks again inside.
    with writing(services.catalog) as connection:
        needed = {original_key(content, source) for content, source in garbage.needed_originals(connection)}
        for key in found - needed:
            spool.delete(key)


def _sweep_drafts(services: Services, before: float) -> None:
    spool = services.spool
    folders = {services.drafts, spool.drafts} if isinstance(spool, LocalSpool) else {services.drafts}
    for draft in (draft for folder in folders for draft in folder.iterdir()):
        try:
            if draft.stat().st_mtime < before:
                draft.unlink()
        except FileNotFoundError:
            continue
