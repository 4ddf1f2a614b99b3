"""Tasks are listed and counted from indexes, know their job, and can be revoked; so are attempts by when they ended."""

import sqlalchemy as sa
from alembic import op

revision = "lists_of_tasks"
down_revision = "deaths_of_workers"

OF_TASKS = {
    "ix_tasks_state_published_at_id": ["state", "published_at", "id"],
    "ix_tasks_stage_state_published_at_id": ["stage", "state", "published_at", "id"],
    "ix_tasks_job_id_state_published_at_id_stage": ["job_id", "state", "published_at", "id", "stage"],
}
OF_ATTEMPTS = "ix_attempts_state_finished_at_chunks_total"
JOB_OF_BATCH = "SELECT batches.job_id FROM batches WHERE batches.id = tasks.batch_id"


def upgrade() -> None:
    """Add the columns, and the indexes in the place of two narrower ones."""
    op.add_column("tasks", sa.Column("job_id", sa.String(64), nullable=False, server_default=""))
    op.add_column("tasks", sa.Column("revoked_at", sa.Double, nullable=True))
    op.execute(f"UPDATE tasks SET job_id = coalesce(({JOB_OF_BATCH}), '')")  # noqa: S608 - constants
    for name, columns in OF_TASKS.items():
        op.create_index(name, "tasks", columns)
    op.drop_index("ix_tasks_state", "tasks")
    op.create_index(OF_ATTEMPTS, "attempts", ["state", "finished_at", "chunks_total"])
    op.drop_index("ix_attempts_finished_at", "attempts")


def downgrade() -> None:
    """Take them back."""
    op.create_index("ix_attempts_finished_at", "attempts", ["finished_at"])
    op.drop_index(OF_ATTEMPTS, "attempts")
    op.create_index("ix_tasks_state", "tasks", ["state"])
    for name in OF_TASKS:
        op.drop_index(name, "tasks")
    op.drop_column("tasks", "revoked_at")
    op.drop_column("tasks", "job_id")
