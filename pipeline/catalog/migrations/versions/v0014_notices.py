"""Notices of events, which deliveries report by the rules of the settings, and conditions that last."""

import sqlalchemy as sa
from alembic import op

revision = "notices"
down_revision = "schedule"


def upgrade() -> None:
    """Make the tables, and let hooks belong to a rule."""
    op.add_column("hooks", sa.Column("rule", sa.String(64)))
    op.create_index("ix_hooks_rule", "hooks", ["rule"])
    op.create_index("ix_deliveries_hook_id", "deliveries", ["hook_id"])
    op.create_table(
        "notices",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(64), nullable=False),
        sa.Column("cleared", sa.Boolean(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("routed_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_routed_at", "notices", ["routed_at"])
    op.create_index("ix_notices_at", "notices", ["at"])
    op.create_table(
        "delivery_notices",
        sa.Column("delivery_id", sa.String(64), nullable=False),
        sa.Column("notice_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "notice_id", name="pk_delivery_notices"),
    )
    op.create_index("ix_delivery_notices_notice_id", "delivery_notices", ["notice_id"])
    op.create_table(
        "conditions",
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("raised", sa.Boolean(), nullable=False),
        sa.Column("absent_since", sa.Double()),
        sa.PrimaryKeyConstraint("event", "subject", name="pk_conditions"),
    )


def downgrade() -> None:
    """Take them back."""
    op.drop_table("conditions")
    op.drop_table("delivery_notices")
    op.drop_table("notices")
    op.drop_index("ix_deliveries_hook_id", "deliveries")
    op.drop_index("ix_hooks_rule", "hooks")
    op.drop_column("hooks", "rule")
