"""Tables of the schedule, of the numbers of each day, and of failures that were archived."""

import sqlalchemy as sa
from alembic import op

revision = "schedule"
down_revision = "sorted_lists"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "scheduled",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(64), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("requested_at", sa.Double()),
        sa.Column("runner", sa.String(64)),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("duration_s", sa.Double()),
        sa.Column("outcome", sa.String(64)),
        sa.Column("error", sa.Text()),
        sa.Column("result", sa.JSON()),
        sa.PrimaryKeyConstraint("name", name="pk_scheduled"),
    )
    op.create_table(
        "daily_metrics",
        sa.Column("day", sa.String(64), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("failures", sa.JSON(), nullable=False),
        sa.Column("chunks", sa.BigInteger(), nullable=False),
        sa.Column("pages_ocr", sa.BigInteger(), nullable=False),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("computed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_daily_metrics"),
    )
    op.create_table(
        "archived_failures",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=True),
        sa.Column("document_id", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("collection", sa.String(64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(64), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("transient", sa.Boolean(), nullable=False),
        sa.Column("fatal_attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("archived_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_archived_failures"),
    )


def downgrade() -> None:
    """Take them back."""
    for name in ("archived_failures", "daily_metrics", "scheduled"):
        op.drop_table(name)
