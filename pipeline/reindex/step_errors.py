"""An error in a step of a re-index: it is stored, the step is tried again after a pause, and at last refused."""

from __future__ import annotations

import time

import structlog

from pipeline.backoff import backoff_s
from pipeline.catalog.database.connection import writing
from pipeline.catalog.reindex import reindexes
from pipeline.catalog.reindex.reindexes import Reindex
from pipeline.errors.problem import problem_of
from pipeline.services import Services

__all__ = ["MAX_ERRORS", "clear_error", "record_error"]

log = structlog.get_logger()

MAX_ERRORS = 8
"""Errors in a row after which a re-index is refused, until the user resumes it."""

MAX_PAUSE_S = 60.0


def record_error(services: Services, reindex: Reindex, error: Exception, *, may_refuse: bool) -> None:
    """Store an error, and when the step is tried again: after 2 s, 4 s, … up to `MAX_PAUSE_S`.

    Args:
        services: the engine's services.
        reindex: the re-index as it was before the step.
        error: what the step raised.
        may_refuse: before the cutover: after `MAX_ERRORS` in a row it is refused. Later steps are tried for ever.
    """
    log.warning("reindex.stumbled", state=reindex.state, error=f"{type(error).__name__}: {error}", exc_info=error)
    problem = problem_of(error)
    message = f"{problem.code}: {problem.message} {problem.hint}"
    with writing(services.catalog) as connection:
        current = reindexes.get(connection, reindex.id)
        if current.state != reindex.state:
            return
        number = current.stumbles + 1
        if may_refuse and number >= MAX_ERRORS:
            reindexes.enter_state(connection, reindex.id, "refused", f"{message} It was tried {number} times.")
            return
        again_at = time.time() + backoff_s(number, 2.0, MAX_PAUSE_S)
        reindexes.update(connection, reindex.id, stumbles=number, again_at=again_at, message=message)


def clear_error(services: Services, reindex: Reindex) -> None:
    """Forget the errors after a step that went well."""
    with writing(services.catalog) as connection:
        if reindexes.get(connection, reindex.id).state == reindex.state:
            reindexes.update(connection, reindex.id, stumbles=0, again_at=None, message=None)
