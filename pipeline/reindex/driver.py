"""Drive every open re-index: take the next step of its state. Each step may be repeated, so none is lost in a crash.

building        backfill the second index until few documents are missing
gating          validate: ask both indexes the same questions
switching       freeze new work, wait for what is running, count points, switch readers
soaking         keep the old index up to date, then drop it
rolling_back, switching_back    as building and switching, back to the old index
refused         wait for the user to resume or cancel
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import indexes, second_index
from pipeline.catalog.reindex import missing_documents, reindexes
from pipeline.catalog.reindex.cutover import discard
from pipeline.catalog.reindex.reindexes import Reindex
from pipeline.catalog.work import failures, jobs
from pipeline.names import PREFIX
from pipeline.reindex.backfill import backfill, backfill_in_place
from pipeline.reindex.control import abandon
from pipeline.reindex.cutover import (
    can_freeze,
    drop_index,
    end_freeze,
    enter_state,
    follow_alias,
    is_idle,
    reset_patience,
    switch,
    switch_back,
)
from pipeline.reindex.step_errors import clear_error, record_error
from pipeline.reindex.validation import SOURCES_LISTED, ValidationResult, count_points, list_sources, measure_search
from pipeline.services import Services

__all__ = ["advance", "validate"]

log = structlog.get_logger()

BEFORE_CUTOVER = ("building", "gating", "switching", "refused")

LOCK_S = 15
"""Two drivers at once do no harm, as every step reads the state again before it changes it; they only cost time."""


def advance(services: Services) -> int:
    """Take the next step of every re-index. An error in one is recorded with that one; the others go on.

    Returns:
        How many re-indexes are open.
    """
    with services.catalog.connect() as connection:
        open_reindexes, discarded = reindexes.list_open(connection), reindexes.indexes_to_drop(connection)
    if not open_reindexes and not discarded:
        return 0
    lock = services.redis.lock(f"{PREFIX}reindexing", timeout=LOCK_S, blocking=False)
    if not lock.acquire():
        return len(open_reindexes)
    try:
        for reindex in open_reindexes:
            _advance_one(services, reindex)
            if lock.owned():
                lock.reacquire()
        for name, since in discarded:
            drop_index(services, name, since)
    finally:
        if lock.owned():
            lock.release()
    return len(open_reindexes)


def _advance_one(services: Services, reindex: Reindex) -> None:
    if reindex.again_at is not None and time.time() < reindex.again_at:
        return
    with structlog.contextvars.bound_contextvars(reindex=reindex.id, job=reindex.job_id):
        try:
            if reindex.state in BEFORE_CUTOVER and _abandon_if_cancelled(services, reindex):
                return
            STEPS[reindex.state](services, reindex)
        except Exception as error:  # any error of a step: the other re-indexes go on
            record_error(services, reindex, error, may_refuse=reindex.state in BEFORE_CUTOVER)
        else:
            if reindex.stumbles and reindex.state != "gating":
                clear_error(services, reindex)


def _abandon_if_cancelled(services: Services, reindex: Reindex) -> bool:
    """Whether the user cancelled its job; by a job's id alone the CLI cannot know that it is a re-index."""
    with writing(services.catalog) as connection:
        cancelled = jobs.is_cancelled(connection, reindex.job_id)
        if cancelled:
            abandon(connection, reindex)
    return cancelled


# building


def _build(services: Services, reindex: Reindex) -> None:
    if reindex.paused:
        return
    if reindex.in_place:
        _build_in_place(services, reindex)
        return
    backfill(services, reindex, reindex.to_index)
    if not _is_nearly_complete(services, reindex, reindex.to_index, reindex.created_at):
        reset_patience(services, reindex)
    elif can_freeze(services, reindex, reindex.from_index):
        enter_state(services, reindex, "gating")


def _is_nearly_complete(services: Services, reindex: Reindex, index: str, since: float) -> bool:
    """Whether few documents are missing in an index, and none of those that were there at this time.

    Where users ingest all the time, some documents always are on their way: the cutover waits for these.
    """
    capacity = services.settings.window * services.settings.batch_documents
    with services.catalog.connect() as connection:
        missing = missing_documents.count_missing(connection, reindex.collection, index)
        if missing["missing"] + missing["active"] > capacity:
            return False
        missing = missing_documents.count_missing(connection, reindex.collection, index, since)
    return not missing["missing"] + missing["active"]


def _build_in_place(services: Services, reindex: Reindex) -> None:
    if not backfill_in_place(services, reindex):
        return
    with writing(services.catalog) as connection:
        if not reindexes.count_running(connection, reindex.job_id):
            jobs.finish_intake(connection, reindex.job_id)
            reindexes.enter_state(connection, reindex.id, "done", _failures_message(connection, reindex))
    services.announce(reindex.job_id)


def _failures_message(connection: Connection, reindex: Reindex) -> str | None:
    number = failures.count_of_job(connection, reindex.job_id)
    if not number:
        return None
    return f"{number} documents failed: {list_sources(missing_documents.open_failures(connection, reindex), number)}."


# gating


def _validate_in_thread(services: Services, reindex: Reindex) -> None:
    """Validate in a thread: an answer may take long, and this process stores the points that workers send meanwhile."""
    name = f"validation-{reindex.id}"
    if reindex.paused or any(thread.name == name for thread in threading.enumerate()):
        return
    threading.Thread(target=validate, args=(services, reindex), name=name, daemon=True).start()


def validate(services: Services, reindex: Reindex) -> None:
    """Measure the search in both indexes and enter the next state: switching, building or refused."""
    with structlog.contextvars.bound_contextvars(reindex=reindex.id, job=reindex.job_id):
        try:
            with services.catalog.connect() as connection:
                space = indexes.get(connection, reindex.to_index).fingerprint
            services.store.ensure(reindex.to_index, space)
            result = measure_search(services, reindex)
            # An answer may take long: a long document may have begun meanwhile.
            ready = result.reasons or can_freeze(services, reindex, reindex.from_index)
            _conclude(services, reindex, result, "switching" if ready else "building")
        except Exception as error:  # any error ends the thread: it is recorded first
            record_error(services, reindex, error, may_refuse=True)


def _conclude(services: Services, reindex: Reindex, result: ValidationResult, state: str) -> None:
    """Enter a state after a validation that has passed, else `refused`."""
    report = {**(reindex.report or {}), **result.report}
    log.info("reindex.gate", passed=not result.reasons, **result.report)
    with writing(services.catalog) as connection:
        if reindexes.get(connection, reindex.id).state != reindex.state:
            return
        if result.reasons:
            second_index.mark_missing(connection, reindex.to_index, result.incomplete)
            report["refused"] = [reason.kind for reason in result.reasons]
            reindexes.enter_state(connection, reindex.id, "refused", result.refusal, report=report)
        else:
            reindexes.enter_state(connection, reindex.id, state, report=report)


# switching, soaking


def _switch_when_idle(services: Services, reindex: Reindex) -> None:
    backfill(services, reindex, reindex.to_index)
    if not is_idle(services, reindex, reindex.from_index, reindex.to_index):
        end_freeze(services, reindex, "building")
        return
    # New work is frozen: what is counted without the write lock is what readers are switched to.
    result = count_points(services, reindex)
    if result.reasons:
        _conclude(services, reindex, result, "switching")
    else:
        switch(services, reindex, result)


def _soak(services: Services, reindex: Reindex) -> None:
    follow_alias(services, reindex.collection, reindex.to_index)
    if reindex.soak_until is not None and time.time() < reindex.soak_until:
        backfill(services, reindex, reindex.from_index)
        return
    with writing(services.catalog) as connection:
        if reindexes.get(connection, reindex.id).state == "soaking":
            discard(connection, reindex.from_index)
            reindexes.enter_state(connection, reindex.id, "done")


# rolling_back, switching_back


def _roll_back(services: Services, reindex: Reindex) -> None:
    """Bring the old index up to date first; other work goes on meanwhile."""
    backfill(services, reindex, reindex.from_index)
    if _refuse_rollback(services, reindex):
        return
    nearly_complete = _is_nearly_complete(services, reindex, reindex.from_index, reindex.entered_at)
    if nearly_complete and can_freeze(services, reindex, reindex.to_index):
        enter_state(services, reindex, "switching_back")


def _switch_back_when_idle(services: Services, reindex: Reindex) -> None:
    backfill(services, reindex, reindex.from_index)
    if not is_idle(services, reindex, reindex.to_index, reindex.from_index):
        end_freeze(services, reindex, "rolling_back")
    elif not _refuse_rollback(services, reindex):
        switch_back(services, reindex)


def _refuse_rollback(services: Services, reindex: Reindex) -> bool:
    """Keep readers where they are if documents failed in the old index and the user has not accepted that."""
    if reindex.options.allow_lost:
        return False
    with services.catalog.connect() as connection:
        failed = missing_documents.count_missing(connection, reindex.collection, reindex.from_index)["failed"]
        first = missing_documents.failures_in_index(connection, reindex, reindex.from_index, SOURCES_LISTED)
    if not failed:
        return False
    message = (
        f"Not rolled back: {failed} documents failed in the old index, readers would lose them or see an older "
        f"content: {list_sources(first, failed)}."
    )
    until = max(reindex.soak_until or 0.0, time.time() + reindex.options.soak_s)
    with writing(services.catalog) as connection:
        if reindexes.get(connection, reindex.id).state == reindex.state:
            reindexes.enter_state(connection, reindex.id, "soaking", message, soak_until=until, cursor=None)
    return True


def _wait(services: Services, reindex: Reindex) -> None:
    """Do nothing: the user has to resume or cancel."""


STEPS: dict[str, Callable[[Services, Reindex], None]] = {
    "building": _build,
    "gating": _validate_in_thread,
    "switching": _switch_when_idle,
    "refused": _wait,
    "soaking": _soak,
    "rolling_back": _roll_back,
    "switching_back": _switch_back_when_idle,
}
