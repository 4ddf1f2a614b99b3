"""Verification without being asked: the counts are compared every minute, and everything is verified once a week."""

from __future__ import annotations

import time
from typing import Any

from pipeline.catalog.index import checks, indexes
from pipeline.services import Services
from pipeline.verification.counts import compare_counts
from pipeline.verification.verification import VerifyRequest, verify

__all__ = ["is_due", "verify_everything", "watch_drift"]

DAY_S = 86400.0
HALF_DAY_S = DAY_S / 2
"""A verification begins at a set time of the day, and the one before ended a little later in the day."""

PER_SECOND = 2000.0
"""Points or documents a second at most: searches and uploads go first."""

SAMPLE = 500


def watch_drift(services: Services) -> None:
    """Compare the counts of points: the periodic task `verify`."""
    compare_counts(services)


def is_due(services: Services) -> bool:
    """Whether the last verification, or the oldest index, is as old as `verify_days`."""
    days = services.settings.verify_days
    if not days:
        return False
    with services.catalog.connect() as connection:
        before = checks.last(connection, checks.VERIFY)
        created = [index.created_at for index in indexes.list_all(connection)]
    since = before[0] if before else min(created, default=time.time())
    return time.time() - since >= days * DAY_S - HALF_DAY_S


def verify_everything(services: Services) -> dict[str, Any]:
    """Verify everything; nothing is mended.

    Returns:
        How much drift of each kind there is.
    """
    report = verify(services, VerifyRequest(sample=SAMPLE, per_second=PER_SECOND))
    return {"left": report.left, "clean": report.clean}
