"""Failures that have been open for a long time: archived or deleted, as the settings say, and the list of them."""

from __future__ import annotations

import time
from typing import Any

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.cursors import cursor_of, key_of
from pipeline.catalog.work import archived_failures
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.results import ArchivedFailure, ArchivedFailureList, iso
from pipeline.services import Services

__all__ = ["list_archived", "retire"]

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


def list_archived(services: Services, after: str | None = None, limit: int = 100) -> ArchivedFailureList:
    """List archived failures, the ones archived last first.

    Args:
        services: those of this process.
        after: `next` of the page before; None for the first page.
        limit: failures of one page at most.

    Raises:
        BadRequest: `after` is no cursor of such a list.
    """
    key = key_of("archived", after)
    with services.catalog.connect() as connection:
        rows, following = archived_failures.list_archived(connection, key, limit)
    times = {"failed_at": "created_at", "archived_at": "archived_at"}
    names = set(ArchivedFailure.model_fields) - times.keys()
    failures = [
        ArchivedFailure(
            **{name: row[name] for name in names}, **{name: iso(row[column]) for name, column in times.items()}
        )
        for row in rows
    ]
    return ArchivedFailureList(failures=failures, next=cursor_of("archived", following))
