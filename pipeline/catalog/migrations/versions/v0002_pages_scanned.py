"""Attempts keep how many pages go to OCR; points of jobs are in work instead of parts of one."""

import sqlalchemy as sa
from alembic import op

revision = "pages_scanned"
down_revision = "first"


def upgrade() -> None:
    """Add the column, with what is in work; what running jobs have kept of their speed begins anew."""
    op.add_column("attempts", sa.Column("pages_scanned", sa.Integer(), server_default="0", nullable=False))
    op.execute("UPDATE attempts SET pages_scanned = pages_total - pages_done WHERE state = 'extracting'")
    op.execute("UPDATE jobs SET samples = '[]' WHERE finished_at IS NULL")


def downgrade() -> None:
    """Take it back."""
    op.drop_column("attempts", "pages_scanned")
