"""Jobs and attempts know their place in an OpenTelemetry trace."""

import sqlalchemy as sa
from alembic import op

revision = "traces"
down_revision = "notices"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("jobs", sa.Column("trace", sa.Text))
    op.add_column("attempts", sa.Column("trace", sa.Text))


def downgrade() -> None:
    """Take them back."""
    op.drop_column("attempts", "trace")
    op.drop_column("jobs", "trace")
