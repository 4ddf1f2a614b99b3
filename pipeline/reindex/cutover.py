"""The cutover: freeze new work, switch readers to the other index (or back), and drop the other index.

Readers are switched while no document of the collection is being processed. What is running ends soon once new work
is frozen; but a long document may take an hour, and other work must not wait for that. So a freeze does not begin
while a document takes long, a freeze is short, and after a freeze in vain other work goes first: for longer each
time, as the freezes get longer too.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace

import structlog

from pipeline.backoff import backoff_s
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import indexes
from pipeline.catalog.reindex import missing_documents, reindexes
from pipeline.catalog.reindex.cutover import discard, exchange
from pipeline.catalog.reindex.reindexes import Reindex
from pipeline.catalog.work import jobs
from pipeline.errors import BadRequest
from pipeline.names import PREFIX
from pipeline.reindex.validation import SOURCES_LISTED, ValidationResult
from pipeline.results import iso
from pipeline.services import Services

__all__ = [
    "FREEZE_S",
    "LONG_RUNNING_S",
    "MAX_FREEZE_S",
    "can_freeze",
    "can_switch",
    "drop_index",
    "end_freeze",
    "enter_state",
    "follow_alias",
    "is_idle",
    "reset_patience",
    "switch",
    "switch_back",
]

log = structlog.get_logger()

LONG_RUNNING_S = 60.0
"""A document that is being processed for longer than this is not expected to end soon."""

FREEZE_S = 30.0
MAX_FREEZE_S = 120.0
"""Longest freeze of new work in the collection: the first time, and ever."""

PATIENCE_S = 900.0
"""A freeze waits so long for long documents. Where there always is one, it is tried all the same after this time."""

MAX_PAUSE_S = 7200.0

DROP_AGAIN_S = 60.0
"""A worker that was stopped may create a dropped index again: it is dropped once more after this time."""

MAX_DROP_PAUSE_S = 60.0


# Freeze of new work


def can_freeze(services: Services, reindex: Reindex, live: str) -> bool:
    """Whether a freeze may begin now. If not, the status says why, and all work goes on."""
    now, number = time.time(), reindex.options.gave_way
    since = reindex.options.near_since or now
    pause_s = backoff_s(number, 2 * FREEZE_S, MAX_PAUSE_S)
    message = None
    if now < since + pause_s:
        message = f"It gave way to what was under way, {number} times, and tries again at {iso(since + pause_s)}."
    elif now < since + backoff_s(number + 1, PATIENCE_S, MAX_PAUSE_S):
        message = _long_running(services, reindex, live, now - LONG_RUNNING_S)
    _note_waiting(services, reindex, since, message)
    return message is None


def reset_patience(services: Services, reindex: Reindex) -> None:
    """Many documents are missing again: the wait for long documents starts anew once the index has nearly all."""
    if reindex.options.near_since:
        _note_waiting(services, reindex, 0.0, None)


def end_freeze(services: Services, reindex: Reindex, state: str) -> None:
    """Go back to a state without a freeze once this one has lasted too long in vain; it is tried again later."""
    number = reindex.options.gave_way
    if time.time() - reindex.entered_at <= backoff_s(number + 1, FREEZE_S, MAX_FREEZE_S):
        return
    log.warning("reindex.gave_way", times=number + 1)
    with writing(services.catalog) as connection:
        current = reindexes.get(connection, reindex.id)
        if current.state == reindex.state:
            options = asdict(replace(current.options, gave_way=number + 1, near_since=time.time()))
            reindexes.enter_state(connection, reindex.id, state, options=options)


def enter_state(services: Services, reindex: Reindex, state: str) -> None:
    """Enter a state, unless the user or another driver has changed it meanwhile."""
    with writing(services.catalog) as connection:
        if reindexes.get(connection, reindex.id).state == reindex.state:
            reindexes.enter_state(connection, reindex.id, state)


def _long_running(services: Services, reindex: Reindex, live: str, before: float) -> str | None:
    with services.catalog.connect() as connection:
        sources = reindexes.sources_running_since(connection, live, reindex.job_id, before)
    if not sources:
        return None
    number = len(sources) - SOURCES_LISTED
    listed = ", ".join(sources[:SOURCES_LISTED]) + (f" and {number} more" if number > 0 else "")
    return f"The switch waits for the end of what is at work for more than {LONG_RUNNING_S:.0f} s: {listed}."


def _note_waiting(services: Services, reindex: Reindex, since: float, message: str | None) -> None:
    """Store why the cutover waits. After an error the message is that of the error."""
    if message == reindex.message and since == reindex.options.near_since:
        return
    with writing(services.catalog) as connection:
        current = reindexes.get(connection, reindex.id)
        if current.state == reindex.state and not current.stumbles:
            options = asdict(replace(current.options, near_since=since))
            reindexes.update(connection, reindex.id, message=message, options=options)


# The switch


def is_idle(services: Services, reindex: Reindex, live: str, second: str) -> bool:
    """Whether readers may be switched, asked without the write lock."""
    with services.catalog.connect() as connection:
        return can_switch(connection, reindex, live, second)


def can_switch(connection: Connection, reindex: Reindex, live: str, second: str) -> bool:
    """Whether the re-index is still in its state, and no document is being processed in one of the two indexes."""
    if reindexes.get(connection, reindex.id).state != reindex.state:
        return False
    if reindexes.count_in_flight(connection, live) or reindexes.count_running(connection, reindex.job_id):
        return False
    missing = missing_documents.count_missing(connection, reindex.collection, second)
    return not (missing["missing"] or missing["active"])


def switch(services: Services, reindex: Reindex, result: ValidationResult) -> None:
    """Switch readers to the new index in one transaction; the old one is kept up to date for a while."""
    if not services.with_model_facts(lambda: _exchange_for_new(services, reindex, result)):
        return
    log.info("reindex.switched", to=reindex.to_index, **result.report)
    follow_alias(services, reindex.collection, reindex.to_index)
    services.announce(reindex.job_id)


def switch_back(services: Services, reindex: Reindex) -> None:
    """Switch readers back to the old index in one transaction; the new one is discarded."""
    if not services.with_model_facts(lambda: _exchange_for_old(services, reindex)):
        return
    log.info("reindex.rolled_back", to=reindex.from_index)
    follow_alias(services, reindex.collection, reindex.from_index)


def _exchange_for_new(services: Services, reindex: Reindex, result: ValidationResult) -> bool:
    """Whether readers were switched. Raises ModelFactsMissing as `Services.known_recipe` does."""
    with writing(services.catalog) as connection:
        if not can_switch(connection, reindex, reindex.from_index, reindex.to_index):
            return False
        old, new = indexes.get(connection, reindex.from_index), indexes.get(connection, reindex.to_index)
        exchange(connection, old, new, services.known_recipe)
        jobs.finish_intake(connection, reindex.job_id)
        report = {**(reindex.report or {}), **result.report}
        until = time.time() + reindex.options.soak_s
        reindexes.enter_state(connection, reindex.id, "soaking", report=report, soak_until=until, cursor=None)
    return True


def _exchange_for_old(services: Services, reindex: Reindex) -> bool:
    """Whether readers were switched back. Raises ModelFactsMissing as `Services.known_recipe` does."""
    with writing(services.catalog) as connection:
        if not can_switch(connection, reindex, reindex.to_index, reindex.from_index):
            return False
        live, old = indexes.get(connection, reindex.to_index), indexes.get(connection, reindex.from_index)
        exchange(connection, live, old, services.known_recipe)
        indexes.pin(connection, old.name)
        discard(connection, live.name)
        reindexes.enter_state(connection, reindex.id, "rolled_back")
    return True


# Indexes in the store


def follow_alias(services: Services, collection: str, index: str) -> None:
    """Point the store's own alias of the collection to the live index."""
    try:
        if services.store.aliases().get(collection) != index:
            services.store.set_alias(collection, index)
    except BadRequest as error:
        # Another collection of the store has the name, or the index is still empty.
        log.warning("alias.refused", collection=collection, error=error.message)


def drop_index(services: Services, name: str, since: float) -> None:
    """Drop an index that was discarded at this time. After an error it is tried again after a pause."""
    pause_key = f"{PREFIX}index-drop-pause:{name}"
    if services.redis.exists(pause_key):
        return
    try:
        _drop(services, name, since)
    except Exception as error:  # any error of the store: the other indexes are dropped
        log.warning("index.not_dropped", index=name, error=f"{type(error).__name__}: {error}")
        # The pause is as long as the attempts have lasted so far, so it doubles.
        pause_s = min(max(time.time() - since, 1.0), MAX_DROP_PAUSE_S)
        services.redis.set(pause_key, b"", px=int(pause_s * 1000))


def _drop(services: Services, name: str, since: float) -> None:
    with services.catalog.connect() as connection:
        collection = indexes.get(connection, name).collection
        live = indexes.live(connection, collection)
    if live is not None and services.store.aliases().get(collection) == name:
        follow_alias(services, collection, live.name)
    services.store.drop(name)
    if time.time() - since > DROP_AGAIN_S:
        with writing(services.catalog) as connection:
            indexes.set_role(connection, name, "dropped")
