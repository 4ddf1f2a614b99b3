"""Starts of a task that ended with its whole worker are counted apart from those whose own process died."""

import sqlalchemy as sa
from alembic import op

revision = "deaths_of_workers"
down_revision = "failures_of_a_job"


def upgrade() -> None:
    """Add the count."""
    op.add_column("tasks", sa.Column("spared", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("tasks", "spared")
