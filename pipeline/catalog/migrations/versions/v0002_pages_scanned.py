"""Attempts keep how many pages go to OCR."""

import sqlalchemy as sa
from alembic import op

revision = "pages_scanned"
down_revision = "first"


def upgrade() -> None:
    """Add the column."""
    op.add_column("attempts", sa.Column("pages_scanned", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("attempts", "pages_scanned")
