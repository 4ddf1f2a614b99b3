"""Errors of attempts: why each try of a task failed, those that were tried again too; the newest of each document."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempt_errors, attempts, failures, tasks
from pipeline.catalog.database.slices import delete_slices
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.ledger import Claim
from pipeline.names import ACTIVE

__all__ = ["KEPT", "list_of_document", "prune", "record_failures", "record_refusal", "record_retry"]

KEPT = 20
"""Errors that are kept of a document."""


def record_failures(connection: Connection, ended: Iterable[Mapping[str, Any]], causes: Mapping[str, Failure]) -> None:
    """Record why attempts failed, with the task that ended each; `ended` has their ids, jobs and documents."""
    rows = []
    for attempt in ended:
        cause = causes[attempt["id"]]
        rows.append({**_row(attempt["job_id"], attempt["document_id"], "failed", cause), "attempt_id": attempt["id"]})
        rows[-1] |= _task(connection, attempt["id"], cause.stage)
    _add(connection, rows)


def record_retry(connection: Connection, claim: Claim, runner: str, cause: Failure) -> None:
    """Record for each running attempt of a task why the task is tried again."""
    where = [attempts.c.batch_id == claim.batch_id, attempts.c.state.in_(ACTIVE)]
    if "attempts" in claim.detail:
        where.append(attempts.c.id.in_(claim.detail["attempts"]))
    found = connection.execute(sa.select(attempts.c.id, attempts.c.job_id, attempts.c.document_id).where(*where))
    started_at = connection.scalar(sa.select(tasks.c.started_at).where(tasks.c.id == claim.task_id))
    place = {"part": claim.part, "worker": runner, "started_at": started_at}
    rows = [
        {**_row(row.job_id, row.document_id, "retried", cause), "attempt_id": row.id, **place} for row in found.all()
    ]
    _add(connection, rows)


def record_refusal(connection: Connection, job_id: str, document_id: str, cause: Failure) -> None:
    """Record why intake refused a file, unless the newest error of its document says the same."""
    newest = connection.execute(
        sa.select(attempt_errors.c.code, attempt_errors.c.message)
        .where(attempt_errors.c.document_id == document_id)
        .order_by(attempt_errors.c.id.desc())
        .limit(1)
    ).one_or_none()
    if newest is None or tuple(newest) != (cause.problem.code, cause.problem.message):
        _add(connection, [_row(job_id, document_id, "failed", cause)])


def list_of_document(connection: Connection, document_id: str) -> Sequence[Mapping[Any, Any]]:
    """The errors of a document that are kept, oldest first."""
    query = sa.select(attempt_errors).where(attempt_errors.c.document_id == document_id)
    return connection.execute(query.order_by(attempt_errors.c.id)).mappings().all()


def prune(engine: Engine, before: float) -> int:
    """Delete the errors before this time of documents that have no open failure; how many."""
    is_open = sa.exists().where(failures.c.document_id == attempt_errors.c.document_id)
    return delete_slices(engine, attempt_errors.c.id, attempt_errors.c.at < before, ~is_open)


def _row(job_id: str, document_id: str, kind: str, cause: Failure) -> dict[str, Any]:
    return {
        "document_id": document_id,
        "attempt_id": None,
        "job_id": job_id,
        "at": time.time(),
        "kind": kind,
        "stage": cause.stage,
        "part": None,
        "worker": None,
        "started_at": None,
        "code": cause.problem.code,
        "message": cause.problem.message,
        "hint": cause.problem.hint,
        "transient": cause.problem.transient,
        "trace_id": cause.trace.id if cause.trace is not None else None,
        "trace": cause.trace.text if cause.trace is not None else None,
    }


def _task(connection: Connection, attempt_id: str, stage: str) -> dict[str, Any]:
    """Part, worker and start of the task of a stage that ended an attempt: the one that was worked on last."""
    query = (
        sa.select(tasks.c.part, tasks.c.runner.label("worker"), tasks.c.started_at)
        .join(attempts, attempts.c.batch_id == tasks.c.batch_id)
        .where(attempts.c.id == attempt_id, tasks.c.stage == stage, tasks.c.runner.is_not(None))
        .order_by(sa.func.coalesce(tasks.c.finished_at, tasks.c.started_at).desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else {}


def _add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(attempt_errors.insert(), rows)
        _forget_oldest(connection, {row["document_id"] for row in rows})


def _forget_oldest(connection: Connection, document_ids: Collection[str]) -> None:
    """Delete all but the newest errors of these documents."""
    others = attempt_errors.alias()
    oldest_kept = (
        sa.select(others.c.id)
        .where(others.c.document_id == attempt_errors.c.document_id)
        .order_by(others.c.id.desc())
        .limit(1)
        .offset(KEPT)
        .correlate(attempt_errors)
        .scalar_subquery()
    )
    for ids in split_list(document_ids):
        connection.execute(
            attempt_errors.delete().where(attempt_errors.c.document_id.in_(ids), attempt_errors.c.id <= oldest_kept)
        )
