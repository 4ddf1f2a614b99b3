"""Clean-up: remove what no document needs any more, and what crashes have left.

`sweep` removes files and points that take room as soon as a process has died; it runs every ten minutes. `clean_up`
does the same once a day, and removes what has become old besides: rows of the catalog, cached vectors, texts.
"""

from __future__ import annotations

import time
from itertools import groupby
from typing import Any

import structlog

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import garbage
from pipeline.catalog.index import vector_cache
from pipeline.catalog.work import (
    archived_failures,
    attempt_errors,
    batches,
    daily_metrics,
    events,
    ledger,
    notices,
    old_jobs,
    outbox,
)
from pipeline.disk.temporary_folder import remove_abandoned, tmp_of
from pipeline.points.visibility import remove_unseen
from pipeline.services import Services
from pipeline.spool import ORIGINALS, LocalSpool, Spool, original_key
from pipeline.stages.artifacts import batch_prefix
from pipeline.stages.discard import discard, keys_in
from pipeline.stages.kept_images import sweep_images
from pipeline.stages.kept_ocr import OCR
from pipeline.stages.kept_texts import TEXTS, text_key_of

__all__ = ["clean_up", "ledger_before", "sweep", "sweep_drafts"]

log = structlog.get_logger()

DAY_S = 86400.0
KEEP_LEDGER_S = 2 * DAY_S
LONGEST_LEDGER_S = 7 * DAY_S
"""The ledger is kept for so long at most where the numbers of its days are not stored yet."""

SUMMARY_S = 8 * DAY_S
"""Errors of attempts are kept for at least so long: the summary counts the failures of seven days from them."""

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
    """Remove points and files that no document needs: what processes have left that ended before their work did."""
    now = time.time()
    _sweep_points(services, now - KEEP_DRAFTS_S)
    _sweep_batches(services, now - KEEP_DRAFTS_S)
    _sweep_originals(services, now - GUARD_S)
    sweep_drafts(services, now - KEEP_DRAFTS_S)


def clean_up(services: Services) -> dict[str, Any]:
    """Remove what a sweep removes, old rows of the catalog, cached vectors, texts and images that no document needs.

    Returns:
        How many rows of each kind were deleted.
    """
    now = time.time()
    deleted = _delete_rows(services, now)
    with vector_cache.ignore_if_unusable(), writing(services.cache, durable=False) as connection:
        deleted["cached_vectors"] = vector_cache.prune(connection, CACHED_VECTORS)
    sweep(services)
    _sweep_texts(services, now - GUARD_S)
    _sweep_ocr(services, now - KEEP_OCR_S)
    sweep_images(services)
    return {"deleted": deleted}


def ledger_before(services: Services, now: float) -> float:
    """The time before which the ledger is deleted: it is kept until the numbers of its days are stored."""
    oldest = now - KEEP_LEDGER_S
    if not services.settings.schedule_metrics:
        return oldest
    with services.catalog.connect() as connection:
        stored_until = daily_metrics.stored_until(connection)
    return max(min(oldest, stored_until or 0.0), now - LONGEST_LEDGER_S)


def _delete_rows(services: Services, now: float) -> dict[str, int]:
    """Delete old rows of the catalog; how many of each kind."""
    settings = services.settings
    events_before = now - settings.events_days * DAY_S
    deleted = {
        "tasks": ledger.prune(services.catalog, ledger_before(services, now)),
        "events": events.prune(services.catalog, events_before),
        "attempt_errors": attempt_errors.prune(services.catalog, min(events_before, now - SUMMARY_S)),
    }
    if settings.jobs_days:
        jobs_before = now - settings.jobs_days * DAY_S
        deleted["jobs"] = old_jobs.delete_old(services.catalog, jobs_before)
        deleted["archived_failures"] = archived_failures.prune(services.catalog, jobs_before)
    deleted["deliveries"] = outbox.prune(services.catalog, now - KEEP_OUTBOX_S)
    deleted["notices"] = notices.prune(services.catalog, now - KEEP_OUTBOX_S)
    return deleted


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


def sweep_drafts(services: Services, before: float) -> None:
    """Remove files that arrived at processes which have ended, and others that were written before this time."""
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
