"""A table of the results of the last checks of the index."""

import sqlalchemy as sa
from alembic import op

revision = "checks"
down_revision = "dead_letters"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "checks",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("checks")
