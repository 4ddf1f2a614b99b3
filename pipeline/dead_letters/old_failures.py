"""What becomes of failures that nobody has cured for a long time: they are archived or deleted, as the settings say."""

from __future__ import annotations

import time
from typing import Any

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import archived_failures
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.services import Services

__all__ = ["retire"]

DAY_S = 86400.0
AT_ONCE = 500
"""Failures that one transaction takes off the list."""


def retire(services: Services) -> dict[str, Any]:
    """Take open failures off the list that are older than `failures_days`.

    Those of documents in quarantine stay: the failure is what keeps such a document from being tried again.

    Returns:
        How many failures were archived, or purged.
    """
    settings = services.settings
    keep = settings.failures_policy == "archive"
    kind = "archived" if keep else "purged"
    if not settings.failures_days:
        return {kind: 0}
    where = FailureFilter(
        before=time.time() - settings.failures_days * DAY_S,
        quarantined=False if settings.quarantine_after else None,
        quarantine_after=settings.quarantine_after,
    )
    number, taken = 0, AT_ONCE
    while taken == AT_ONCE:
        with writing(services.catalog) as connection:
            taken = archived_failures.archive(connection, where, AT_ONCE, keep=keep)
        number += taken
    return {kind: number}
