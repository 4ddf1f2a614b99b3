"""Rows of the catalog about failures as results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.catalog.work.failure_history import History
from pipeline.results import AttemptError, AttemptRecord, FailureHistory, FailureRecord, iso

__all__ = ["history_of", "record_of"]


def record_of(row: Mapping[Any, Any], quarantine_after: int) -> FailureRecord:
    """An open failure."""
    names = set(FailureRecord.model_fields) - {"failed_at", "quarantined"}
    return FailureRecord(
        **{name: row[name] for name in names},
        failed_at=iso(row["created_at"]),
        quarantined=row["fatal_attempts"] >= quarantine_after,
    )


def history_of(history: History, quarantine_after: int) -> FailureHistory:
    """The attempts of a document with their errors."""
    failure, document = history.failure, history.document
    errors = [(row["attempt_id"], _error(row)) for row in history.errors]
    return FailureHistory(
        document_id=document["id"],
        collection=document["collection"],
        source=document["source"],
        failure=None if failure is None else record_of(failure, quarantine_after),
        attempts=[
            _attempt(row, [error for attempt_id, error in errors if attempt_id == row["id"]])
            for row in history.attempts
        ],
        refusals=[error for attempt_id, error in errors if attempt_id is None],
    )


def _attempt(row: Mapping[Any, Any], errors: list[AttemptError]) -> AttemptRecord:
    return AttemptRecord(
        **{name: row[name] for name in ("number", "id", "job_id", "state", "code", "message")},
        queued_at=iso(row["created_at"]),
        started_at=iso(row["started_at"]),
        ended_at=iso(row["finished_at"]),
        errors=errors,
    )


def _error(row: Mapping[Any, Any]) -> AttemptError:
    times = ("at", "started_at")
    names = set(AttemptError.model_fields) - set(times)
    return AttemptError(**{name: row[name] for name in names}, **{name: iso(row[name]) for name in times})
