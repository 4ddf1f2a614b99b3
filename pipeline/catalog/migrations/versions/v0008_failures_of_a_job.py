"""Failures of a job are listed and counted from indexes, however many there are."""

from alembic import op

revision = "failures_of_a_job"
down_revision = "lists_by_state"

FORMER = "ix_failures_job_id"
BY_TIME = "ix_failures_job_id_created_at_id"
BY_CLASS = "ix_failures_job_id_code_stage"


def upgrade() -> None:
    """Make the indexes; the former one is the beginning of both."""
    op.create_index(BY_TIME, "failures", ["job_id", "created_at", "id"])
    op.create_index(BY_CLASS, "failures", ["job_id", "code", "stage", "fatal_attempts"])
    op.drop_index(FORMER, "failures")


def downgrade() -> None:
    """Take them back."""
    op.create_index(FORMER, "failures", ["job_id"])
    op.drop_index(BY_CLASS, "failures")
    op.drop_index(BY_TIME, "failures")
