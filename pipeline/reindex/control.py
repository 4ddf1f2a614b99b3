"""Beginning a re-index, and what can be said to one that is under way."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, replace

import structlog

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import live_versions
from pipeline.catalog.index import indexes, missing, reindexes
from pipeline.catalog.index.cutover import discard
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.index.reindexes import OPEN, Reindex
from pipeline.catalog.work import jobs, ledger
from pipeline.catalog.work.cancel import cancel_job
from pipeline.catalog.work.jobs import Job
from pipeline.errors import Conflict, UnknownId
from pipeline.reindex.request import ReindexRequest, Target, target_of
from pipeline.reindex.validation import NAMED, named
from pipeline.results import ReindexStatus, iso
from pipeline.services import Services

__all__ = ["abandon", "cancel", "pause", "resume", "rollback", "start", "status"]

log = structlog.get_logger()

HINT = "See how it stands with: docrelay reindex status"
ANYHOW = "Try them again with: docrelay reindex resume; or go back without them, with --allow-failed."


def start(services: Services, wish: ReindexRequest) -> ReindexStatus:
    """Begin a re-index; it goes on by itself.

    What its model is, is found out before anything is locked: a hub may take its time.

    Raises:
        UnknownId: there is no such collection.
        Conflict: it asks for nothing, or for what does not go together, or one is under way.
        ModelUnavailable: there is no such model.
    """
    with services.catalog.connect() as connection:
        target = target_of(services, connection, wish)
    with writing(services.catalog) as connection:
        if indexes.live(connection, target.live.collection) != target.live:
            raise Conflict(f"The collection {target.live.collection} has just been switched to another index.", HINT)
        _only_one(connection, target.live.collection)
        job_id = _open_job(connection, target)
        to_index = target.live.name if target.in_place else _new_index(connection, target)
        options = replace(target.options, fed_at=time.time())
        pair = (target.live.name, to_index)
        identity = reindexes.create(connection, job_id, target.live.collection, pair, options)
    log.info("reindex.started", reindex=identity, job=job_id, to=to_index, model=target.spec.model)
    return status(services, target.live.collection)


def pause(services: Services, collection: str) -> ReindexStatus:
    """Begin no more documents; those under way come to their end. Raises BadRequest."""
    with writing(services.catalog) as connection:
        found = _under_way(connection, collection, ("building", "gating", "refused"))
        reindexes.change(connection, found.id, paused=True)
    return status(services, collection)


def resume(
    services: Services, collection: str, *, allow_failed: bool | None = None, per_minute: int | None = None
) -> ReindexStatus:
    """Go on with one that is paused, or that the gate refused; what failed is tried again.

    While it soaks, that is what failed in the old index.

    Raises:
        Conflict: none is in a state for it.
    """
    with writing(services.catalog) as connection:
        found = _under_way(connection, collection, ("building", "gating", "refused", "soaking"))
        options = replace(
            found.options,
            allow_failed=found.options.allow_failed if allow_failed is None else allow_failed,
            per_minute=per_minute or found.options.per_minute,
            fed_at=time.time(),
            near_since=0.0,
            gave_way=0,
        )
        if found.state == "refused":
            if not options.allow_failed:
                reindexes.forgive(connection, found, found.to_index)
            cursor = found.cursor if found.in_place else None
            report = {name: value for name, value in (found.report or {}).items() if name != "refused"}
            reindexes.enter(connection, found.id, "building", cursor=cursor, report=report or None)
        elif found.state == "soaking":
            reindexes.forgive(connection, found, found.from_index)
        reindexes.change(connection, found.id, paused=False, options=asdict(options))
    return status(services, collection)


def cancel(services: Services, collection: str) -> ReindexStatus:
    """Give up before the switch: readers keep what they have, and what was built goes.

    Raises:
        Conflict: none is under way, or readers are switched already.
    """
    with writing(services.catalog) as connection:
        found = _under_way(connection, collection, ("building", "gating", "switching", "refused"))
        abandon(connection, found)
    services.announce(found.job_id)
    return status(services, collection)


def rollback(services: Services, collection: str, *, allow_failed: bool = False) -> ReindexStatus:
    """Go back to the old index, which was kept up to date while it soaked.

    Documents that failed there readers would lose, or see with an older content: that has to be allowed. If one fails
    on the way, readers stay where they are, and the status tells of it.

    Raises:
        Conflict: there is none to go back to, or documents failed in it.
    """
    with writing(services.catalog) as connection:
        found = _under_way(connection, collection, ("soaking", "rolling_back", "switching_back"))
        failed = missing.lacking(connection, collection, found.from_index)["failed"]
        if failed and not allow_failed:
            told = named(missing.failed_in(connection, found, found.from_index, NAMED), failed)
            raise Conflict(f"{failed} documents failed in the old index; readers would lose them: {told}.", ANYHOW)
        allow_lost = allow_failed or found.options.allow_lost
        options = replace(found.options, allow_lost=allow_lost, near_since=0.0, gave_way=0)
        if found.state == "soaking":
            reindexes.enter(connection, found.id, "rolling_back", cursor=None)
            ledger.hurry(connection, found.job_id, services.settings.priority)
        reindexes.change(connection, found.id, options=asdict(options))
    return status(services, collection)


def status(services: Services, collection: str) -> ReindexStatus:
    """The collection's last re-index. Raises UnknownId if there never was one."""
    with services.catalog.connect() as connection:
        found = reindexes.newest(connection, collection)
        if found is None:
            raise UnknownId(f"The collection {collection} was never re-indexed.", "Begin with: docrelay reindex")
        switched = found.state in ("soaking", "rolling_back", "switching_back")
        beside = found.from_index if switched else found.to_index
        open_still = found.state in OPEN and not found.in_place
        lacking = missing.lacking(connection, collection, beside) if open_still else {}
        failed = missing.failed_in(connection, found, beside) if open_still else []
        if found.in_place or switched or found.state == "done":
            failed += missing.still_failed(connection, found)
        return ReindexStatus(
            **{name: getattr(found, name) for name in ("id", "job_id", "collection", "state", "paused")},
            **{name: getattr(found, name) for name in ("from_index", "to_index", "report", "message")},
            from_model=_model(connection, found.from_index),
            to_model=_model(connection, found.to_index),
            documents=live_versions.count_documents(connection, collection),
            lacks=lacking,
            failures=failed,
            created_at=iso(found.created_at),
            soak_until=iso(found.soak_until),
            finished_at=iso(found.finished_at),
        )


def abandon(connection: Connection, found: Reindex) -> None:
    """End a re-index before its switch."""
    cancel_job(connection, found.job_id)
    if not found.in_place:
        discard(connection, found.to_index)
    reindexes.enter(connection, found.id, "cancelled")


def _only_one(connection: Connection, collection: str) -> None:
    last = reindexes.newest(connection, collection)
    if last is None or last.state not in OPEN:
        return
    if last.state == "soaking":
        # Who wants yet another index is content with this one.
        discard(connection, last.from_index)
        reindexes.enter(connection, last.id, "done")
        return
    raise Conflict(f"A re-index of {collection} is under way: it is {last.state}.", HINT)


def _open_job(connection: Connection, target: Target) -> str:
    size = live_versions.size_of(connection, target.live.collection, jobs.OVERHEAD_BYTES)
    request_id = uuid.uuid4().hex[:12]
    job = Job(target.live.collection, "reindex", target.options.priority)
    return jobs.create(connection, job, request_id, size).id


def _new_index(connection: Connection, target: Target) -> str:
    name = indexes.next_name(connection, target.live.collection)
    fresh = Index(name, target.live.collection, "building", target.space, target.spec, pinned=True)
    return indexes.add(connection, fresh).name


def _under_way(connection: Connection, collection: str, states: tuple[str, ...]) -> Reindex:
    found = reindexes.newest(connection, collection)
    if found is None or found.state not in states:
        now = f"the last one is {found.state}" if found is not None else "it was never re-indexed"
        raise Conflict(f"No re-index of {collection} is in a state for this: {now}.", HINT)
    return found


def _model(connection: Connection, index: str) -> str | None:
    try:
        return indexes.get(connection, index).fingerprint.model
    except UnknownId:
        return None
