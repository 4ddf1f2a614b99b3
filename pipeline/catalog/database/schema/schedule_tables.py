"""Tables of operation: the entries of the schedule, the numbers of each day, failures that were archived."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.catalog.database.schema.columns import Code, Id, Text, metadata

__all__ = ["archived_failures", "daily_metrics", "scheduled"]

scheduled = sa.Table(
    "scheduled",
    metadata,
    sa.Column("name", Id, primary_key=True),
    # The time for which the last run was begun, be it made up later; at first, when the entry was seen first.
    sa.Column("due_at", sa.Double, nullable=False),
    # idle or running
    sa.Column("state", Id, nullable=False),
    # Runs begun so far: a worker that begins one compares it with what it has read.
    sa.Column("runs", sa.Integer, nullable=False),
    # Runs begun for this due time.
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("requested_at", sa.Double),
    sa.Column("runner", Id),
    sa.Column("started_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("duration_s", sa.Double),
    # done, failed or lost
    sa.Column("outcome", Id),
    sa.Column("error", Text),
    sa.Column("result", sa.JSON(none_as_null=True)),
)

daily_metrics = sa.Table(
    "daily_metrics",
    metadata,
    # A day of the local time of the machine, YYYY-MM-DD.
    sa.Column("day", Id, primary_key=True),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double, nullable=False),
    sa.Column("documents", sa.Integer, nullable=False),
    sa.Column("unchanged", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("failures", sa.JSON, nullable=False),
    sa.Column("chunks", sa.BigInteger, nullable=False),
    sa.Column("pages_ocr", sa.BigInteger, nullable=False),
    sa.Column("stages", sa.JSON, nullable=False),
    sa.Column("computed_at", sa.Double, nullable=False),
)

archived_failures = sa.Table(
    "archived_failures",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("document_id", Id, nullable=False),
    sa.Column("job_id", Id, nullable=False),
    sa.Column("collection", Id, nullable=False),
    sa.Column("source", Text, nullable=False),
    sa.Column("stage", Id, nullable=False),
    sa.Column("code", Code, nullable=False),
    sa.Column("message", Text, nullable=False),
    sa.Column("hint", Text, nullable=False),
    sa.Column("transient", sa.Boolean, nullable=False),
    sa.Column("fatal_attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("archived_at", sa.Double, nullable=False),
)
