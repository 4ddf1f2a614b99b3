"""What goes wrong in a step of a re-index: told, tried again after a pause, and before the switch not for ever."""

from __future__ import annotations

import time

import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import reindexes
from pipeline.catalog.index.reindexes import Reindex
from pipeline.errors.problem import problem_of
from pipeline.services import Services

__all__ = ["BEFORE", "LONGEST_PAUSE_S", "MOST_STUMBLES", "recovered", "stumbled"]

log = structlog.get_logger()

MOST_STUMBLES = 8
"""So often in a row a step may go wrong before the switch, each time after a longer pause; then somebody has to say."""

LONGEST_PAUSE_S = 60.0

BEFORE = ("building", "gating", "switching", "refused")
"""States before readers were switched."""


def stumbled(services: Services, one: Reindex, error: Exception) -> None:
    """Write down what went wrong; it is tried again after a pause, but before the switch not for ever."""
    log.warning("reindex.stumbled", state=one.state, error=f"{type(error).__name__}: {error}", exc_info=error)
    problem = problem_of(error)
    told = f"{problem.code}: {problem.message} {problem.hint}"
    with writing(services.catalog) as connection:
        now = reindexes.get(connection, one.id)
        if now.state != one.state:
            return
        number = now.stumbles + 1
        if number >= MOST_STUMBLES and one.state in BEFORE:
            reindexes.enter(connection, one.id, "refused", f"{told} It was tried {number} times.")
            return
        again_at = time.time() + min(2.0**number, LONGEST_PAUSE_S)
        reindexes.change(connection, one.id, stumbles=number, again_at=again_at, message=told)


def recovered(services: Services, one: Reindex) -> None:
    """A step went well again."""
    with writing(services.catalog) as connection:
        if reindexes.get(connection, one.id).state == one.state:
            reindexes.change(connection, one.id, stumbles=0, again_at=None, message=None)
