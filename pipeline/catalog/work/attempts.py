"""Attempts, each a run of the stages over one version: move them through their states, count, end them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.connection import make_durable
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, documents, rank, submissions, versions
from pipeline.catalog.index import second_index
from pipeline.catalog.work import attempt_errors, events, failures
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import finish_jobs_of_attempts
from pipeline.names import ACTIVE

__all__ = [
    "advance",
    "advance_embedded",
    "begin_batch",
    "cancel",
    "complete",
    "count_running",
    "end_batch",
    "fail",
]


def begin_batch(connection: Connection, batch_id: str, state: str) -> None:
    """Move the attempts of a batch to an active state; those that are there already, or beyond, stay."""
    rows = connection.execute(_begin(state), {"batch": batch_id, "now": time.time()}).all()
    events.add(connection, f"document.{state}", ((row.job_id, row.document_id) for row in rows))


@cache
def _begin(state: str) -> Any:
    is_current = (documents.c.id == attempts.c.document_id) & (documents.c.attempt_id == attempts.c.id)
    return (
        attempts.update()
        .where(
            attempts.c.batch_id == sa.bindparam("batch"),
            attempts.c.state.in_(ACTIVE[: rank(state)]),
            sa.or_(sa.exists().where(is_current), second_index.is_current_in_second_index()),
        )
        .values(state=state, started_at=sa.func.coalesce(attempts.c.started_at, sa.bindparam("now")))
        .returning(attempts.c.job_id, attempts.c.document_id)
    )


def count_running(connection: Connection, document_ids: Collection[str]) -> int:
    """Count those of these documents whose current attempt in the live index is running."""
    is_running = sa.and_(attempts.c.id == documents.c.attempt_id, attempts.c.state.in_(ACTIVE))
    query = sa.select(sa.func.count()).select_from(documents.join(attempts, is_running))
    return sum(
        connection.execute(query.where(documents.c.id.in_(ids))).scalar_one() for ids in split_list(document_ids)
    )


def advance(connection: Connection, ids: Sequence[str], state: str) -> None:
    """Move attempts to a later active state; those that are there already, or ended, stay."""
    if not ids:
        return
    earlier = ACTIVE[: rank(state)]
    now = time.time()
    moved = connection.execute(
        attempts.update()
        .where(attempts.c.id.in_(ids), attempts.c.state.in_(earlier))
        .values(state=state, started_at=sa.func.coalesce(attempts.c.started_at, now))
        .returning(attempts.c.job_id, attempts.c.document_id)
    ).all()
    events.add(connection, f"document.{state}", ((row.job_id, row.document_id) for row in moved))


def advance_embedded(connection: Connection, ids: Sequence[str]) -> None:
    """Move those of these attempts to `upserting` whose chunks are all embedded."""
    embedded = connection.scalars(
        sa.select(attempts.c.id).where(
            attempts.c.id.in_(ids), attempts.c.chunks_embedded >= attempts.c.chunks_total, attempts.c.chunks_total > 0
        )
    ).all()
    advance(connection, embedded, "upserting")


def fail(connection: Connection, causes: Mapping[str, Failure]) -> None:
    """End attempts as failed, each with its cause, and keep the causes as open failures.

    An attempt whose version is live already has not failed, but is completed: the error came after.
    """
    if not causes:
        return
    live = connection.scalars(
        sa.select(attempts.c.id).where(attempts.c.id.in_(list(causes)), second_index.is_version_live())
    ).all()
    if live:
        complete(connection, live)
    ended = _end(connection, causes.keys() - set(live), "failed")
    # What fails in an index beside the live one is reported by its re-index; the document itself has not failed.
    second = _in_second_index(connection, [row["id"] for row in ended])
    for row in ended:
        cause = causes[row["id"]]
        error = {"code": cause.problem.code, "message": cause.problem.message}
        connection.execute(attempts.update().where(attempts.c.id == row["id"]).values(error))
        connection.execute(submissions.update().where(submissions.c.attempt_id == row["id"]).values(error))
        if row["id"] not in second:
            failures.record(connection, row["job_id"], row["document_id"], cause)
        events.add(connection, "document.failed", [(row["job_id"], row["document_id"])], error)
    attempt_errors.record_failures(connection, ended, causes)
    finish_jobs_of_attempts(connection, [row["id"] for row in ended])


def cancel(connection: Connection, where: sa.ColumnElement[bool], code: str | None = None) -> int:
    """End running attempts as cancelled.

    Returns:
        How many were ended.
    """
    # An attempt whose version is live already is past cancelling: it only waits to be marked as completed.
    ids = connection.scalars(
        sa.select(attempts.c.id).where(attempts.c.state.in_(ACTIVE), where, ~second_index.is_version_live())
    ).all()
    ended = _end(connection, ids, "cancelled")
    for group in split_list(ids if code else ()):
        connection.execute(attempts.update().where(attempts.c.id.in_(group)).values(code=code))
        connection.execute(submissions.update().where(submissions.c.attempt_id.in_(group)).values(code=code))
    events.add(connection, "document.cancelled", ((row["job_id"], row["document_id"]) for row in ended))
    finish_jobs_of_attempts(connection, ids)
    return len(ended)


def complete(connection: Connection, ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """End attempts as completed, and close the failures of their documents.

    Returns:
        id, job_id, document_id and version_id of those that were still running.
    """
    ended = _end(connection, ids, "completed")
    second = _in_second_index(connection, [row["id"] for row in ended])
    failures.delete_of_documents(connection, [row["document_id"] for row in ended if row["id"] not in second])
    events.add(connection, "document.completed", ((row["job_id"], row["document_id"]) for row in ended))
    finish_jobs_of_attempts(connection, ids)
    return ended


def end_batch(connection: Connection, batch_id: str) -> None:
    """End the attempts that are still running though their batch is done.

    Another process deleted the document, or began a newer attempt, between the switch to the version and this moment:
    then the attempt is completed. An attempt whose version was never live is cancelled.
    """
    rows = connection.execute(
        sa.select(attempts.c.id, versions.c.live_at)
        .join(versions, versions.c.id == attempts.c.version_id)
        .where(attempts.c.batch_id == batch_id, attempts.c.state.in_(ACTIVE))
    ).all()
    for state, ids in (
        ("completed", [row.id for row in rows if row.live_at is not None]),
        ("cancelled", [row.id for row in rows if row.live_at is None]),
    ):
        ended = _end(connection, ids, state)
        events.add(connection, f"document.{state}", ((row["job_id"], row["document_id"]) for row in ended))
        finish_jobs_of_attempts(connection, ids)


def _in_second_index(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Those of these attempts that are of an index beside the live one."""
    attempt_ids: set[str] = set()
    for group in split_list(ids):
        attempt_ids |= set(
            connection.scalars(
                sa.select(attempts.c.id).where(attempts.c.id.in_(group), second_index.is_current_in_second_index())
            )
        )
    return attempt_ids


def _end(connection: Connection, ids: Iterable[str], state: str) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for group in split_list(ids):
        ended = connection.execute(
            attempts.update()
            .where(attempts.c.id.in_(group), attempts.c.state.in_(ACTIVE))
            .values(state=state, finished_at=time.time())
            .returning(attempts.c.id, attempts.c.job_id, attempts.c.document_id, attempts.c.version_id)
        )
        rows += [dict(row) for row in ended.mappings()]
    if rows:
        make_durable(connection)
    for ended_ids in split_list(row["id"] for row in rows):
        connection.execute(
            submissions.update()
            .where(submissions.c.attempt_id.in_(ended_ids), submissions.c.outcome.is_(None))
            .values(outcome=state)
        )
    return rows
