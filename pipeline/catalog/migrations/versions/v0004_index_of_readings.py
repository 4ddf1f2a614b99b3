"""An index of how versions were read, so that outdated and incomplete documents are found without reading all rows."""

from alembic import op

revision = "index_of_readings"
down_revision = "missing_parts"

INDEX = "ix_versions_reading"
COLUMNS = ["extraction", "chunker", "parts_missing", "pages_failed", "id"]


def upgrade() -> None:
    """Make the index."""
    op.create_index(INDEX, "versions", COLUMNS)


def downgrade() -> None:
    """Take it back."""
    op.drop_index(INDEX, "versions")
