"""What moves a re-index: small steps, each of which may be repeated, so that nothing is lost with whoever took them.

building    feed what the new index lacks, until it lacks little
gating      ask questions of both indexes
switching   let what is under way come to its end while nothing new begins; count; exchange the two
soaking     keep the old index up to date, then drop it
rolling_back, switching_back    as building and switching, the other way round
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from embeddings.base import Fingerprint
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import indexes, missing, reindexes, second_index
from pipeline.catalog.index.cutover import discard, exchange
from pipeline.catalog.index.reindexes import Reindex
from pipeline.catalog.work import failures, jobs
from pipeline.names import PREFIX
from pipeline.reindex.backfill import feed, feed_in_place
from pipeline.reindex.backoff import BEFORE, recovered, stumbled
from pipeline.reindex.control import abandon
from pipeline.reindex.cutover import enter, give_way, is_far, is_quiet, may_hold, may_switch
from pipeline.reindex.drop import follow, try_drop
from pipeline.reindex.validation import NAMED, Findings, counts, measure, named
from pipeline.services import Services

__all__ = ["advance"]

log = structlog.get_logger()

LOCK_S = 15
"""Two drivers at once do no harm, as every step looks at the state again before it changes it; they only cost."""

_measuring: dict[str, threading.Thread] = {}


def advance(services: Services) -> int:
    """Take the next step of every re-index. What goes wrong in one is told of that one, and holds up no other.

    Returns:
        How many are open.
    """
    with services.catalog.connect() as connection:
        found, gone = reindexes.open_ones(connection), reindexes.dropping(connection)
    if not found and not gone:
        return 0
    lock = services.redis.lock(f"{PREFIX}reindexing", timeout=LOCK_S, blocking=False)
    if not lock.acquire():
        return len(found)
    try:
        for one in found:
            _step(services, one)
            if lock.owned():
                lock.reacquire()
        for name, since in gone:
            try_drop(services, name, since)
    finally:
        if lock.owned():
            lock.release()
    return len(found)


def _step(services: Services, one: Reindex) -> None:
    if one.again_at is not None and time.time() < one.again_at:
        return
    with structlog.contextvars.bound_contextvars(reindex=one.id, job=one.job_id):
        try:
            if one.state in BEFORE and _cancelled(services, one):
                return
            STEPS[one.state](services, one)
        except Exception as error:  # a door: whatever it is, the others go on
            stumbled(services, one, error)
        else:
            if one.stumbles and one.state != "gating":
                recovered(services, one)


def _cancelled(services: Services, one: Reindex) -> bool:
    """Whether its job was cancelled, by the name of which nobody knows that it is a re-index."""
    with writing(services.catalog) as connection:
        cancelled = reindexes.is_cancelled(connection, one.job_id)
        if cancelled:
            abandon(connection, one)
    return cancelled


def _build(services: Services, one: Reindex) -> None:
    if one.paused:
        return
    if one.in_place:
        _build_in_place(services, one)
        return
    feed(services, one, one.to_index)
    if not _is_near(services, one, one.to_index, one.created_at):
        is_far(services, one)
    elif may_hold(services, one, one.from_index):
        enter(services, one, "gating")


def _is_near(services: Services, one: Reindex, index: str, since: float) -> bool:
    """Whether the index lacks little.

    Where others write all the while, something is always on its way. It is enough that what was there at the beginning
    has come, and that the rest is little: the switch waits for that.
    """
    room = services.settings.window * services.settings.batch_documents
    with services.catalog.connect() as connection:
        lack = missing.lacking(connection, one.collection, index)
        if lack["missing"] + lack["active"] > room:
            return False
        of_old = missing.lacking(connection, one.collection, index, since)
    return not of_old["missing"] + of_old["active"]


def _build_in_place(services: Services, one: Reindex) -> None:
    if not feed_in_place(services, one):
        return
    with writing(services.catalog) as connection:
        if not reindexes.busy(connection, one.job_id):
            jobs.finish_intake(connection, one.job_id)
            reindexes.enter(connection, one.id, "done", _what_failed(connection, one))
    services.announce(one.job_id)


def _what_failed(connection: Connection, one: Reindex) -> str | None:
    number = failures.count_of_job(connection, one.job_id)
    return f"{number} documents failed: {named(missing.still_failed(connection, one), number)}." if number else None


def _gate(services: Services, one: Reindex) -> None:
    """Measure in a thread of its own: an answer may take long, and this process has to store what others send."""
    busy = _measuring.get(one.id)
    if one.paused or (busy is not None and busy.is_alive()):
        return
    thread = threading.Thread(target=_measure, args=(services, one), name=f"gate-{one.id}", daemon=True)
    _measuring[one.id] = thread
    thread.start()


def _measure(services: Services, one: Reindex) -> None:
    with structlog.contextvars.bound_contextvars(reindex=one.id, job=one.job_id):
        try:
            services.store.ensure(one.to_index, _space(services, one.to_index))
            findings = measure(services, one)
            # An answer may take long: what has begun meanwhile may last.
            calm = findings.reasons or may_hold(services, one, one.from_index)
            _conclude(services, one, findings, "switching" if calm else "building")
        except Exception as error:  # the thread's door
            stumbled(services, one, error)
        finally:
            _measuring.pop(one.id, None)


def _conclude(services: Services, one: Reindex, findings: Findings, state: str) -> None:
    report = {**(one.report or {}), **findings.report}
    log.info("reindex.gate", passed=not findings.reasons, **findings.report)
    with writing(services.catalog) as connection:
        if reindexes.get(connection, one.id).state != one.state:
            return
        if findings.reasons:
            second_index.doubt(connection, one.to_index, findings.broken)
            report["refused"] = [reason.kind for reason in findings.reasons]
            reindexes.enter(connection, one.id, "refused", findings.refusal, report=report)
        else:
            reindexes.enter(connection, one.id, state, report=report)


def _switch(services: Services, one: Reindex) -> None:
    feed(services, one, one.to_index)
    if not is_quiet(services, one, one.from_index, one.to_index):
        give_way(services, one, "building")
        return
    # Nothing begins in the collection: what is counted without the lock is what is switched to.
    findings = counts(services, one)
    if findings.reasons:
        _conclude(services, one, findings, "switching")
        return
    with writing(services.catalog) as connection:
        if not may_switch(connection, one, one.from_index, one.to_index):
            return
        old, new = indexes.get(connection, one.from_index), indexes.get(connection, one.to_index)
        exchange(connection, old, new, services.recipe)
        jobs.finish_intake(connection, one.job_id)
        report = {**(one.report or {}), **findings.report}
        until = time.time() + one.options.soak_s
        reindexes.enter(connection, one.id, "soaking", report=report, soak_until=until, cursor=None)
    log.info("reindex.switched", to=one.to_index, **findings.report)
    follow(services, one.collection, one.to_index)
    services.announce(one.job_id)


def _soak(services: Services, one: Reindex) -> None:
    follow(services, one.collection, one.to_index)
    if one.soak_until is not None and time.time() < one.soak_until:
        feed(services, one, one.from_index)
        return
    with writing(services.catalog) as connection:
        if reindexes.get(connection, one.id).state == "soaking":
            discard(connection, one.from_index)
            reindexes.enter(connection, one.id, "done")


def _roll_back(services: Services, one: Reindex) -> None:
    """Bring the old index up to date first; others go on meanwhile."""
    feed(services, one, one.from_index)
    if _would_lose(services, one) or not _is_near(services, one, one.from_index, one.entered_at):
        return
    if may_hold(services, one, one.to_index):
        enter(services, one, "switching_back")


def _switch_back(services: Services, one: Reindex) -> None:
    feed(services, one, one.from_index)
    if not is_quiet(services, one, one.to_index, one.from_index):
        give_way(services, one, "rolling_back")
        return
    if _would_lose(services, one):
        return
    with writing(services.catalog) as connection:
        if not may_switch(connection, one, one.to_index, one.from_index):
            return
        live, old = indexes.get(connection, one.to_index), indexes.get(connection, one.from_index)
        exchange(connection, live, old, services.recipe)
        indexes.pin(connection, old.name)
        discard(connection, live.name)
        reindexes.enter(connection, one.id, "rolled_back")
    log.info("reindex.rolled_back", to=one.from_index)
    follow(services, one.collection, one.from_index)


def _would_lose(services: Services, one: Reindex) -> bool:
    """Whether documents failed in the old index, and nobody said that this may be: then readers stay where they are."""
    if one.options.allow_lost:
        return False
    with services.catalog.connect() as connection:
        failed = missing.lacking(connection, one.collection, one.from_index)["failed"]
        first = missing.failed_in(connection, one, one.from_index, NAMED)
    if not failed:
        return False
    told = (
        f"Not rolled back: {failed} documents failed in the old index, readers would lose them or see an older "
        f"content: {named(first, failed)}."
    )
    until = max(one.soak_until or 0.0, time.time() + one.options.soak_s)
    with writing(services.catalog) as connection:
        if reindexes.get(connection, one.id).state == one.state:
            reindexes.enter(connection, one.id, "soaking", told, soak_until=until, cursor=None)
    return True


def _wait(services: Services, one: Reindex) -> None:
    """Somebody has to say how to go on."""


STEPS: dict[str, Callable[[Services, Reindex], None]] = {
    "building": _build,
    "gating": _gate,
    "switching": _switch,
    "refused": _wait,
    "soaking": _soak,
    "rolling_back": _roll_back,
    "switching_back": _switch_back,
}


def _space(services: Services, index: str) -> Fingerprint:
    with services.catalog.connect() as connection:
        return indexes.get(connection, index).fingerprint
