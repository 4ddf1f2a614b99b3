"""Which documents a task works on, and the place of each in its trace: the column `trace` of its attempt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts
from pipeline.names import ACTIVE

__all__ = ["Outcome", "TracedAttempt", "list_running", "outcomes", "set_traces"]


class TracedAttempt(NamedTuple):
    """A document under way; `trace` is the `traceparent` of its first span, None where traces were off."""

    attempt_id: str
    document_id: str
    trace: str | None


class Outcome(NamedTuple):
    """Where an attempt has come to; `code` says why it failed."""

    state: str
    code: str | None


def set_traces(connection: Connection, job_id: str, traces: Mapping[str, str]) -> None:
    """Store the place of documents in their traces, for the attempts of a job: {document id: traceparent}."""
    attempt = (attempts.c.job_id == job_id, attempts.c.document_id == sa.bindparam("document"))
    values = [{"document": document_id, "traceparent": trace} for document_id, trace in traces.items()]
    if values:
        connection.execute(attempts.update().where(*attempt).values(trace=sa.bindparam("traceparent")), values)


def list_running(connection: Connection, batch_id: str, wanted: Collection[str] | None = None) -> list[TracedAttempt]:
    """Documents of a batch that are under way, in a stable order; only `wanted` attempts, if they are given."""
    found = [TracedAttempt(*row) for row in connection.execute(_running(), {"batch": batch_id})]
    return found if wanted is None else [attempt for attempt in found if attempt.attempt_id in set(wanted)]


def outcomes(connection: Connection, attempt_ids: Collection[str]) -> dict[str, Outcome]:
    """Where attempts have come to, by their ids."""
    found: dict[str, Outcome] = {}
    for group in split_list(attempt_ids):
        query = sa.select(attempts.c.id, attempts.c.state, attempts.c.code).where(attempts.c.id.in_(group))
        found |= {row.id: Outcome(row.state, row.code) for row in connection.execute(query)}
    return found


@cache
def _running() -> sa.Select[Any]:
    columns = (attempts.c.id, attempts.c.document_id, attempts.c.trace)
    in_batch = (attempts.c.batch_id == sa.bindparam("batch"), attempts.c.state.in_(ACTIVE))
    return sa.select(*columns).where(*in_batch).order_by(attempts.c.id)
