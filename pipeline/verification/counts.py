"""Compare the number of points of each collection with the catalog: cheap, and so done at the start and regularly."""

from __future__ import annotations

import time

import structlog

from pipeline.catalog.database.connection import make_durable, writing
from pipeline.catalog.documents.live_points import Expected, count_expected
from pipeline.catalog.index import checks
from pipeline.catalog.work import conditions
from pipeline.catalog.work.conditions import Observation, Timing
from pipeline.errors import StoreDamaged
from pipeline.services import Services
from pipeline.vectorstore.base import Filter

__all__ = ["compare_counts"]

log = structlog.get_logger()

SETTLE_S = 1.0
"""By then the points of documents that are just being deleted are gone."""


def compare_counts(services: Services) -> list[dict[str, object]]:
    """Compare the live points of each collection with the chunks of its live documents, and keep what differs.

    A difference that work under way explains is none; and one that is gone when it is looked at again.

    Returns:
        Of each collection that differs: its name, how many points it should have, how many it has, and why if the
        store cannot be read.

    Raises:
        StackUnavailable: the store cannot be reached.
    """
    differing = [expected for expected in _expected(services) if _difference(services, expected)]
    if differing:
        time.sleep(SETTLE_S)
        names = {expected.index for expected in differing}
        differing = [expected for expected in _expected(services) if expected.index in names]
    drift = [found for expected in differing if (found := _difference(services, expected))]
    with services.catalog.connect() as connection:
        before = checks.last(connection, checks.COUNTS)
    if drift and (before is None or before[1]["collections"] != drift):
        log.warning("drift.found", collections=drift, hint="docrelay verify --repair")
    with writing(services.catalog, durable=False) as connection:
        checks.store(connection, checks.COUNTS, {"collections": drift})
        if drift:
            make_durable(connection)
        seen = Observation("verify.drift", checks.COUNTS, bool(drift), "warning", {"collections": drift})
        conditions.observe(connection, [seen], Timing(clear_after_s=services.settings.notify_clear_s))
    return drift


def _expected(services: Services) -> list[Expected]:
    with services.catalog.connect() as connection:
        return count_expected(connection)


def _difference(services: Services, expected: Expected) -> dict[str, object] | None:
    """What differs in one collection; None if nothing does."""
    facts: dict[str, object] = {"collection": expected.collection, "expected": expected.points}
    try:
        number = services.store.count(expected.index, Filter(live=True))
    except StoreDamaged as error:
        return {**facts, "points": 0, "message": error.message}
    if abs(number - expected.points) <= expected.slack:
        return None
    return {**facts, "points": number, "message": ""}
