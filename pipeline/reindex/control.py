"""Commands of the user: start, pause, resume, cancel and roll back a re-index, and its status."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, replace

import structlog

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import live_versions
from pipeline.catalog.index import indexes
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.reindex import missing_documents, reindexes
from pipeline.catalog.reindex.cutover import discard
from pipeline.catalog.reindex.reindexes import OPEN, Reindex
from pipeline.catalog.work import batches, jobs
from pipeline.catalog.work.cancel import cancel_job
from pipeline.catalog.work.jobs import Job
from pipeline.errors import Conflict, UnknownId
from pipeline.reindex.request import ReindexRequest, ResolvedRequest, resolve
from pipeline.reindex.validation import SOURCES_LISTED, list_sources
from pipeline.results import ReindexStatus, iso
from pipeline.services import Services

__all__ = ["abandon", "cancel", "pause", "resume", "rollback", "start", "status"]

log = structlog.get_logger()

STATUS_HINT = "See how it stands with: docrelay reindex status"
RETRY_HINT = "Try them again with: docrelay reindex resume; or go back without them, with --allow-failed."

CANCELLABLE = ("building", "gating", "switching", "refused")
SWITCHED = ("soaking", "rolling_back", "switching_back")
"""States in which readers see the new index, and the old one is kept up to date."""


def start(services: Services, request: ReindexRequest) -> ReindexStatus:
    """Start a re-index; the driver goes on with it.

    The facts of its model are read before the write lock is taken: a model hub may take its time.

    Raises:
        UnknownId: there is no such collection.
        Conflict: nothing would change, the parts of the request exclude each other, or a re-index is open.
        ModelUnavailable: there is no such model.
    """
    with services.catalog.connect() as connection:
        resolved = resolve(services, connection, request)
    live = resolved.live
    with writing(services.catalog) as connection:
        if indexes.live(connection, live.collection) != live:
            raise Conflict(f"The collection {live.collection} has just been switched to another index.", STATUS_HINT)
        _close_or_refuse_open(connection, live.collection)
        job_id = _open_job(connection, resolved)
        to_index = live.name if resolved.in_place else _new_index(connection, resolved)
        options = replace(resolved.options, fed_at=time.time())
        pair = (live.name, to_index)
        reindex_id = reindexes.create(connection, job_id, live.collection, pair, options)
    log.info("reindex.started", reindex=reindex_id, job=job_id, to=to_index, model=resolved.spec.model)
    return status(services, live.collection)


def pause(services: Services, collection: str) -> ReindexStatus:
    """Begin no more documents; those that are being processed go on.

    Raises:
        Conflict: none is in a state for it.
    """
    with writing(services.catalog) as connection:
        reindex = _newest_in(connection, collection, ("building", "gating", "refused"))
        reindexes.update(connection, reindex.id, paused=True)
    return status(services, collection)


def resume(
    services: Services, collection: str, *, allow_failed: bool | None = None, per_minute: int | None = None
) -> ReindexStatus:
    """Go on after a pause or after the validation refused the new index; documents that failed are tried again.

    While the old index soaks, these are the documents that failed in the old index.

    Raises:
        Conflict: none is in a state for it.
    """
    with writing(services.catalog) as connection:
        reindex = _newest_in(connection, collection, ("building", "gating", "refused", "soaking"))
        options = replace(
            reindex.options,
            allow_failed=reindex.options.allow_failed if allow_failed is None else allow_failed,
            per_minute=per_minute or reindex.options.per_minute,
            fed_at=time.time(),
            near_since=0.0,
            gave_way=0,
        )
        if reindex.state == "refused":
            _rebuild(connection, reindex, allow_failed=options.allow_failed)
        elif reindex.state == "soaking":
            reindexes.retry_failed(connection, reindex, reindex.from_index)
        reindexes.update(connection, reindex.id, paused=False, options=asdict(options))
    return status(services, collection)


def cancel(services: Services, collection: str) -> ReindexStatus:
    """End a re-index before the cutover: readers keep their index, and the new one is dropped.

    Raises:
        Conflict: none is open, or readers are switched already.
    """
    with writing(services.catalog) as connection:
        reindex = _newest_in(connection, collection, CANCELLABLE)
        abandon(connection, reindex)
    services.announce(reindex.job_id)
    return status(services, collection)


def rollback(services: Services, collection: str, *, allow_failed: bool = False) -> ReindexStatus:
    """Go back to the old index, which is kept up to date while it soaks.

    Readers would lose the documents that failed there, or see an older content of them: the user has to allow that.
    If one fails on the way back, readers stay where they are, and the status says so.

    Raises:
        Conflict: there is no index to go back to, or documents failed in it.
    """
    with writing(services.catalog) as connection:
        reindex = _newest_in(connection, collection, SWITCHED)
        failed = missing_documents.count_missing(connection, collection, reindex.from_index)["failed"]
        if failed and not allow_failed:
            failures = missing_documents.failures_in_index(connection, reindex, reindex.from_index, SOURCES_LISTED)
            sources = list_sources(failures, failed)
            raise Conflict(
                f"{failed} documents failed in the old index; readers would lose them: {sources}.", RETRY_HINT
            )
        allow_lost = allow_failed or reindex.options.allow_lost
        options = replace(reindex.options, allow_lost=allow_lost, near_since=0.0, gave_way=0)
        if reindex.state == "soaking":
            reindexes.enter_state(connection, reindex.id, "rolling_back", cursor=None)
            batches.raise_priority(connection, reindex.job_id, services.settings.priority)
        reindexes.update(connection, reindex.id, options=asdict(options))
    return status(services, collection)


def status(services: Services, collection: str) -> ReindexStatus:
    """Status of the collection's last re-index. Raises UnknownId if there never was one."""
    with services.catalog.connect() as connection:
        reindex = reindexes.newest(connection, collection)
        if reindex is None:
            raise UnknownId(f"The collection {collection} was never re-indexed.", "Begin with: docrelay reindex")
        missing, failures = _missing_and_failed(connection, reindex)
        return ReindexStatus(
            **{name: getattr(reindex, name) for name in ("id", "job_id", "collection", "state", "paused")},
            **{name: getattr(reindex, name) for name in ("from_index", "to_index", "report", "message")},
            from_model=_model(connection, reindex.from_index),
            to_model=_model(connection, reindex.to_index),
            documents=live_versions.count_documents(connection, collection),
            lacks=missing,
            failures=failures,
            created_at=iso(reindex.created_at),
            soak_until=iso(reindex.soak_until),
            finished_at=iso(reindex.finished_at),
        )


def abandon(connection: Connection, reindex: Reindex) -> None:
    """End a re-index before its cutover."""
    cancel_job(connection, reindex.job_id)
    if not reindex.in_place:
        discard(connection, reindex.to_index)
    reindexes.enter_state(connection, reindex.id, "cancelled")


def _rebuild(connection: Connection, reindex: Reindex, *, allow_failed: bool) -> None:
    """Go back from `refused` to `building`."""
    if not allow_failed:
        reindexes.retry_failed(connection, reindex, reindex.to_index)
    cursor = reindex.cursor if reindex.in_place else None
    report = {name: value for name, value in (reindex.report or {}).items() if name != "refused"}
    reindexes.enter_state(connection, reindex.id, "building", cursor=cursor, report=report or None)


def _missing_and_failed(connection: Connection, reindex: Reindex) -> tuple[dict[str, int], list[dict[str, str]]]:
    """Numbers of documents that the index beside the live one is missing, and the failures of the re-index."""
    switched = reindex.state in SWITCHED
    has_second = reindex.state in OPEN and not reindex.in_place
    second = reindex.from_index if switched else reindex.to_index
    missing = missing_documents.count_missing(connection, reindex.collection, second) if has_second else {}
    failures = missing_documents.failures_in_index(connection, reindex, second) if has_second else []
    if reindex.in_place or switched or reindex.state == "done":
        failures += missing_documents.open_failures(connection, reindex)
    return missing, failures


def _close_or_refuse_open(connection: Connection, collection: str) -> None:
    """Make sure that no re-index of the collection is open. One that soaks is finished: the user accepts its index."""
    last = reindexes.newest(connection, collection)
    if last is None or last.state not in OPEN:
        return
    if last.state != "soaking":
        raise Conflict(f"A re-index of {collection} is under way: it is {last.state}.", STATUS_HINT)
    discard(connection, last.from_index)
    reindexes.enter_state(connection, last.id, "done")


def _open_job(connection: Connection, resolved: ResolvedRequest) -> str:
    size = live_versions.size_of(connection, resolved.live.collection, jobs.OVERHEAD_BYTES)
    request_id = uuid.uuid4().hex[:12]
    job = Job(resolved.live.collection, "reindex", resolved.options.priority)
    return jobs.create(connection, job, request_id, size).id


def _new_index(connection: Connection, resolved: ResolvedRequest) -> str:
    name = indexes.next_name(connection, resolved.live.collection)
    fresh = Index(name, resolved.live.collection, "building", resolved.space, resolved.spec, pinned=True)
    return indexes.add(connection, fresh).name


def _newest_in(connection: Connection, collection: str, states: tuple[str, ...]) -> Reindex:
    reindex = reindexes.newest(connection, collection)
    if reindex is None or reindex.state not in states:
        state = f"the last one is {reindex.state}" if reindex is not None else "it was never re-indexed"
        raise Conflict(f"No re-index of {collection} is in a state for this: {state}.", STATUS_HINT)
    return reindex


def _model(connection: Connection, index: str) -> str | None:
    try:
        return indexes.get(connection, index).fingerprint.model
    except UnknownId:
        return None
