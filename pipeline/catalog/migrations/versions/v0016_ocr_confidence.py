"""Versions know how sure OCR was of their pages."""

import sqlalchemy as sa
from alembic import op

revision = "ocr_confidence"
down_revision = "traces"


def upgrade() -> None:
    """Add the column."""
    op.add_column("versions", sa.Column("ocr_confidence", sa.Double))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("versions", "ocr_confidence")
