"""Errors of attempts are kept as a history; failures are listed by time and class, and count fatal attempts."""

import sqlalchemy as sa
from alembic import op

revision = "dead_letters"
down_revision = "index_of_readings"

BY_TIME = "ix_failures_created_at_id"
BY_CLASS = "ix_failures_code_stage"
BY_DOCUMENT = "ix_attempt_errors_document_id_id"
BY_AGE = "ix_attempt_errors_at"


def upgrade() -> None:
    """Add the table, the column and the indexes; of failures before, only the last error is known."""
    op.create_table(
        "attempt_errors",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("document_id", sa.String(64), nullable=False),
        sa.Column("attempt_id", sa.String(64)),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(64), nullable=False),
        sa.Column("part", sa.Integer()),
        sa.Column("worker", sa.Text()),
        sa.Column("started_at", sa.Double()),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("transient", sa.Boolean(), nullable=False),
        sa.Column("trace_id", sa.String(64)),
        sa.Column("trace", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_attempt_errors"),
    )
    op.create_index(BY_DOCUMENT, "attempt_errors", ["document_id", "id"])
    op.create_index(BY_AGE, "attempt_errors", ["at"])
    op.add_column("failures", sa.Column("fatal_attempts", sa.Integer(), server_default="0", nullable=False))
    op.create_index(BY_TIME, "failures", ["created_at", "id"])
    op.create_index(BY_CLASS, "failures", ["code", "stage", "fatal_attempts"])


def downgrade() -> None:
    """Take them back."""
    op.drop_index(BY_CLASS, "failures")
    op.drop_index(BY_TIME, "failures")
    op.drop_column("failures", "fatal_attempts")
    op.drop_index(BY_AGE, "attempt_errors")
    op.drop_index(BY_DOCUMENT, "attempt_errors")
    op.drop_table("attempt_errors")
