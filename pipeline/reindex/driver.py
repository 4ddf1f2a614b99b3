"""What moves a re-index: small steps, each of which may be repeated, so that nothing is lost with whoever took them.

building    feed what the new index lacks, until it lacks nothing
gating      ask questions of both indexes
switching   let what is under way come to its end while nothing new begins; count; exchange the two
soaking     keep the old index up to date, then drop it
rolling_back    as switching, the other way round
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from sqlalchemy.engine import Connection

from embeddings.base import Fingerprint
from pipeline.catalog import indexes, jobs, lacks, reindexes
from pipeline.catalog.engine import writing
from pipeline.catalog.reindexes import Reindex
from pipeline.catalog.switching import discard, exchange
from pipeline.errors import BadRequest
from pipeline.places import recipe_of
from pipeline.reindex.control import abandon
from pipeline.reindex.feed import feed, feed_in_place
from pipeline.reindex.gate import Findings, counts, measure
from pipeline.services import PREFIX, Services

__all__ = ["advance"]

log = structlog.get_logger()

LOCK_S = 15
"""Two drivers at once do no harm, as every step looks at the state again before it changes it; they only cost."""

HOLD_S = 120.0
"""While it switches, nothing new begins in the collection for so long at most; then others go first."""

DROP_AGAIN_S = 60.0
"""A worker that stood still may have made a dropped index anew: it is dropped once more after this time."""


def advance(services: Services) -> int:
    """Take the next step of every re-index.

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
            _drop(services, name, since)
    finally:
        if lock.owned():
            lock.release()
    return len(found)


def _step(services: Services, one: Reindex) -> None:
    with structlog.contextvars.bound_contextvars(reindex=one.id, job=one.job_id):
        if one.state in ("building", "gating", "switching", "refused") and _cancelled(services, one):
            return
        STEPS[one.state](services, one)


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
    with writing(services.catalog) as connection:
        lack = lacks.lacking(connection, one.collection, one.to_index)
        of_old = lacks.lacking(connection, one.collection, one.to_index, one.created_at)
        room = services.settings.window * services.settings.batch_documents
        # Where others write all the while, something is always on its way. It is enough that what was there at the
        # beginning has come, and that the rest is little: the switch waits for that.
        if of_old["missing"] + of_old["active"] or lack["missing"] + lack["active"] > room:
            return
        if reindexes.get(connection, one.id).state == "building":
            reindexes.enter(connection, one.id, "gating")


def _build_in_place(services: Services, one: Reindex) -> None:
    if not feed_in_place(services, one):
        return
    with writing(services.catalog) as connection:
        if not reindexes.busy(connection, one.job_id):
            jobs.finish_intake(connection, one.job_id)
            reindexes.enter(connection, one.id, "done")
    services.announce(one.job_id)


def _gate(services: Services, one: Reindex) -> None:
    if one.paused:
        return
    services.store.ensure(one.to_index, _space(services, one.to_index))
    findings = measure(services, one)
    _conclude(services, one, findings, "switching")


def _conclude(services: Services, one: Reindex, findings: Findings, state: str) -> None:
    report = {**(one.report or {}), **findings.report}
    log.info("reindex.gate", passed=not findings.reasons, **findings.report)
    with writing(services.catalog) as connection:
        if reindexes.get(connection, one.id).state != one.state:
            return
        if findings.reasons:
            told = f"The gate refuses: {'; '.join(findings.reasons)}."
            reindexes.enter(connection, one.id, "refused", told, report=report)
        else:
            reindexes.enter(connection, one.id, state, report=report)


def _switch(services: Services, one: Reindex) -> None:
    feed(services, one, one.to_index)
    with writing(services.catalog) as connection:
        now = reindexes.get(connection, one.id)
        if now.state != "switching" or _still_moving(connection, one, one.from_index, one.to_index):
            _give_way(connection, now)
            return
        findings = counts(services, connection, now)
        if not findings.reasons:
            old, new = indexes.get(connection, one.from_index), indexes.get(connection, one.to_index)
            exchange(connection, old, new, lambda *about: recipe_of(services, connection, *about))
            jobs.finish_intake(connection, one.job_id)
            report = {**(one.report or {}), **findings.report}
            until = time.time() + one.options.soak_s
            reindexes.enter(connection, one.id, "soaking", report=report, soak_until=until, cursor=None)
    if findings.reasons:
        _conclude(services, one, findings, "switching")
        return
    log.info("reindex.switched", to=one.to_index, **findings.report)
    _name(services, one.collection, one.to_index)
    services.announce(one.job_id)


def _soak(services: Services, one: Reindex) -> None:
    _name(services, one.collection, one.to_index)
    if one.soak_until is not None and time.time() < one.soak_until:
        feed(services, one, one.from_index)
        return
    with writing(services.catalog) as connection:
        if reindexes.get(connection, one.id).state == "soaking":
            discard(connection, one.from_index)
            reindexes.enter(connection, one.id, "done")


def _roll_back(services: Services, one: Reindex) -> None:
    feed(services, one, one.from_index)
    with writing(services.catalog) as connection:
        moving = _still_moving(connection, one, one.to_index, one.from_index)
        if moving or reindexes.get(connection, one.id).state != "rolling_back":
            return
        live, old = indexes.get(connection, one.to_index), indexes.get(connection, one.from_index)
        exchange(connection, live, old, lambda *about: recipe_of(services, connection, *about))
        indexes.pin(connection, old.name)
        discard(connection, live.name)
        reindexes.enter(connection, one.id, "rolled_back")
    log.info("reindex.rolled_back", to=one.from_index)
    _name(services, one.collection, one.from_index)


def _wait(services: Services, one: Reindex) -> None:
    """Somebody has to say how to go on."""


STEPS: dict[str, Callable[[Services, Reindex], None]] = {
    "building": _build,
    "gating": _gate,
    "switching": _switch,
    "refused": _wait,
    "soaking": _soak,
    "rolling_back": _roll_back,
}


def _still_moving(connection: Connection, one: Reindex, live: str, beside: str) -> bool:
    """Whether a document is on its way in one of the two indexes."""
    lack = lacks.lacking(connection, one.collection, beside)
    return bool(lack["missing"] or lack["active"] or reindexes.in_flight(connection, live))


def _give_way(connection: Connection, one: Reindex) -> None:
    """Others were held up long enough: let them go on, and try again when it is quiet."""
    if one.state == "switching" and time.time() - one.entered_at > HOLD_S:
        log.warning("reindex.gave_way")
        reindexes.enter(connection, one.id, "building")


def _name(services: Services, collection: str, index: str) -> None:
    """Let the store's own alias follow the catalog."""
    try:
        if services.store.aliases().get(collection) != index:
            services.store.set_alias(collection, index)
    except BadRequest as error:
        # Something else has the name there, or the index holds nothing yet.
        log.warning("alias.refused", collection=collection, error=error.message)


def _drop(services: Services, name: str, since: float) -> None:
    with services.catalog.connect() as connection:
        collection = indexes.get(connection, name).collection
        live = indexes.live(connection, collection)
    if live is not None and services.store.aliases().get(collection) == name:
        _name(services, collection, live.name)
    services.store.drop(name)
    if time.time() - since > DROP_AGAIN_S:
        with writing(services.catalog) as connection:
            indexes.set_role(connection, name, "dropped")


def _space(services: Services, index: str) -> Fingerprint:
    with services.catalog.connect() as connection:
        return indexes.get(connection, index).fingerprint
