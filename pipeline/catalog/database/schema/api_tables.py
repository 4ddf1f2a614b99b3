"""Tables of the API and of notifications: keys, answers, orders; hooks, deliveries, notices, conditions."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.catalog.database.schema.columns import Id, Text, metadata

__all__ = [
    "answers",
    "api_keys",
    "conditions",
    "deliveries",
    "delivery_notices",
    "hooks",
    "notices",
    "orders",
]

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("sha256", Id, nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("rate", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("used_at", sa.Double),
    sa.Column("revoked_at", sa.Double),
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("scope", Id, primary_key=True),
    sa.Column("request", Id, nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False, index=True),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("job_id", Id, primary_key=True),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("taken_at", sa.Double, index=True),
)

hooks = sa.Table(
    "hooks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job_id", Id, index=True),
    sa.Column("key_id", Id, index=True),
    sa.Column("url", Text, nullable=False),
    sa.Column("secret", Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    # The rule of the settings that reports to this address; None for the hook of a job or a key.
    sa.Column("rule", Id, index=True),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("hook_id", Id, nullable=False, index=True),
    sa.Column("job_id", Id, nullable=False, index=True),
    sa.Column("state", Id, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("body", Text),
    sa.Column("status", sa.Integer),
    sa.Column("error", Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Index("ix_deliveries_state_due_at", "state", "due_at"),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("event", Id, nullable=False),
    sa.Column("subject", Text, nullable=False),
    sa.Column("severity", Id, nullable=False),
    sa.Column("cleared", sa.Boolean, nullable=False),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("routed_at", sa.Double, index=True),
)

delivery_notices = sa.Table(
    "delivery_notices",
    metadata,
    sa.Column("delivery_id", Id, primary_key=True),
    sa.Column("notice_id", Id, primary_key=True, index=True),
)

conditions = sa.Table(
    "conditions",
    metadata,
    sa.Column("event", Id, primary_key=True),
    sa.Column("subject", Text, primary_key=True),
    sa.Column("severity", Id, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("raised", sa.Boolean, nullable=False),
    sa.Column("absent_since", sa.Double),
)
