"""Tables of work: jobs and submissions, attempts, batches and tasks, failures and their history, events."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.catalog.database.schema.columns import Code, Id, Text, metadata
from pipeline.names import ACTIVE

__all__ = ["attempt_errors", "attempts", "batches", "events", "failures", "jobs", "rank", "submissions", "tasks"]


def rank(state: str) -> int:
    """Position of a state; terminal states share the last one."""
    return ACTIVE.index(state) if state in ACTIVE else len(ACTIVE)


jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("collection", Id, nullable=False),
    sa.Column("workflow", Id, nullable=False),
    sa.Column("plan", sa.JSON(none_as_null=True)),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("request_id", Id, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("intake_done", sa.Boolean, nullable=False),
    sa.Column("cancelled_at", sa.Double),
    sa.Column("finished_at", sa.Double, index=True),
    sa.Column("bytes_expected", sa.BigInteger, nullable=False),
    sa.Column("fraction", sa.Double, nullable=False),
    sa.Column("samples", sa.JSON, nullable=False),
    sa.Column("paths", sa.JSON(none_as_null=True)),
    sa.Column("confined", sa.Boolean, nullable=False),
    sa.Column("open_until", sa.Double),
    sa.Column("ocr", Id),
    # How it ended, and its documents by outcome; both are null until then.
    sa.Column("outcome", Id),
    sa.Column("outcomes", sa.JSON(none_as_null=True)),
    sa.Column("trace", Text),
    sa.Index("ix_jobs_created_at_id", "created_at", "id"),
    sa.Index("ix_jobs_collection_created_at_id", "collection", "created_at", "id"),
    sa.Index("ix_jobs_workflow_created_at_id", "workflow", "created_at", "id"),
    sa.Index("ix_jobs_outcome_created_at_id", "outcome", "created_at", "id"),
)

submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("job_id", Id, primary_key=True),
    sa.Column("document_id", Id, primary_key=True),
    sa.Column("source", Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("attempt_id", Id, index=True),
    sa.Column("outcome", Id),
    sa.Column("code", Code),
    sa.Column("message", Text),
    # The outcomes of a job are counted from it, and its end is seen.
    sa.Index("ix_submissions_job_id_outcome", "job_id", "outcome"),
)

_has_code = submissions.c.code.is_not(None)

sa.Index(
    "ix_submissions_code_job_id",
    submissions.c.code,
    submissions.c.job_id,
    sqlite_where=_has_code,
    postgresql_where=_has_code,
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("document_id", Id, nullable=False, index=True),
    sa.Column("version_id", Id, nullable=False, index=True),
    sa.Column("job_id", Id, nullable=False, index=True),
    sa.Column("batch_id", Id, index=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", Id, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("pages_total", sa.Integer, nullable=False, server_default="0"),
    sa.Column("pages_done", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chunks_total", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chunks_embedded", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chunks_cached", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chunks_upserted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("code", Code),
    sa.Column("message", Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("pages_scanned", sa.Integer, nullable=False, server_default="0"),
    sa.Column("trace", Text),
    # The documents of a state in the order of their ids.
    sa.Index("ix_attempts_state_document_id", "state", "document_id"),
    # What has ended since a moment, and its chunks, without reading the rows.
    sa.Index("ix_attempts_state_finished_at_chunks_total", "state", "finished_at", "chunks_total"),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job_id", Id, nullable=False, index=True),
    sa.Column("plan", sa.JSON(none_as_null=True)),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("state", Id, nullable=False, index=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("admitted_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Index("ix_batches_state_priority_created_at", "state", "priority", "created_at"),
)

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("batch_id", Id, nullable=False, index=True),
    sa.Column("stage", Id, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("state", Id, nullable=False),
    sa.Column("runner", Id),
    sa.Column("starts", sa.Integer, nullable=False),
    sa.Column("published_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double, index=True),
    sa.Column("detail", sa.JSON),
    sa.Column("spared", sa.Integer, nullable=False, server_default="0"),
    # That of its batch: lists of a job's tasks are read from an index.
    sa.Column("job_id", Id, nullable=False, server_default=""),
    sa.Column("revoked_at", sa.Double),
    sa.Index("ix_tasks_state_published_at_id", "state", "published_at", "id"),
    sa.Index("ix_tasks_stage_state_published_at_id", "stage", "state", "published_at", "id"),
    sa.Index("ix_tasks_job_id_state_published_at_id_stage", "job_id", "state", "published_at", "id", "stage"),
)

failures = sa.Table(
    "failures",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job_id", Id, nullable=False),
    sa.Column("document_id", Id, nullable=False, index=True),
    sa.Column("collection", Id, nullable=False),
    sa.Column("source", Text, nullable=False),
    sa.Column("stage", Id, nullable=False),
    sa.Column("code", Code, nullable=False, index=True),
    sa.Column("message", Text, nullable=False),
    sa.Column("hint", Text, nullable=False),
    sa.Column("transient", sa.Boolean, nullable=False),
    sa.Column("reading", Id),
    sa.Column("created_at", sa.Double, nullable=False),
    # Attempts of this content that ended its worker or the time and memory it may have: see `fatal_attempts.py`.
    sa.Column("fatal_attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_failures_collection_source", "collection", "source"),
    sa.Index("ix_failures_created_at_id", "created_at", "id"),
    sa.Index("ix_failures_job_id_created_at_id", "job_id", "created_at", "id"),
    sa.Index("ix_failures_job_id_code_stage", "job_id", "code", "stage", "fatal_attempts"),
    sa.Index("ix_failures_code_stage", "code", "stage", "fatal_attempts"),
)

attempt_errors = sa.Table(
    "attempt_errors",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("document_id", Id, nullable=False),
    sa.Column("attempt_id", Id),
    sa.Column("job_id", Id, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", Id, nullable=False),
    sa.Column("stage", Id, nullable=False),
    sa.Column("part", sa.Integer),
    sa.Column("worker", Text),
    sa.Column("started_at", sa.Double),
    sa.Column("code", Code, nullable=False),
    sa.Column("message", Text, nullable=False),
    sa.Column("hint", Text, nullable=False),
    sa.Column("transient", sa.Boolean, nullable=False),
    sa.Column("trace_id", Id),
    sa.Column("trace", Text),
    sa.Index("ix_attempt_errors_document_id_id", "document_id", "id"),
    sa.Index("ix_attempt_errors_at", "at"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("job_id", Id, nullable=False),
    sa.Column("document_id", Id),
    sa.Column("kind", Id, nullable=False),
    sa.Column("data", sa.JSON),
    sa.Index("ix_events_job_id_id", "job_id", "id"),
    sa.Index("ix_events_document_id", "document_id"),
    sa.Index("ix_events_at", "at"),
    sqlite_autoincrement=True,
)
