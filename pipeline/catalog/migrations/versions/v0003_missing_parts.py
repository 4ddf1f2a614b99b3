"""Versions keep which parts of a file are missing, how its pages were read, by which chunker; jobs keep an OCR mode."""

import sqlalchemy as sa
from alembic import op

revision = "missing_parts"
down_revision = "pages_scanned"


def upgrade() -> None:
    """Add the columns; which chunker made an older version is not known any more."""
    op.add_column("versions", sa.Column("missing", sa.JSON()))
    op.add_column("versions", sa.Column("parts_missing", sa.Integer(), server_default="0", nullable=False))
    op.add_column("versions", sa.Column("page_warnings", sa.JSON()))
    op.add_column("versions", sa.Column("ocr", sa.String(64)))
    op.add_column("versions", sa.Column("chunker", sa.String(64), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("ocr", sa.String(64)))


def downgrade() -> None:
    """Take them back."""
    for column in ("missing", "parts_missing", "page_warnings", "ocr", "chunker"):
        op.drop_column("versions", column)
    op.drop_column("jobs", "ocr")
