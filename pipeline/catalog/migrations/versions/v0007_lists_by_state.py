"""Indexes by which a page of documents in one state is found, however many documents there are."""

import sqlalchemy as sa
from alembic import op

revision = "lists_by_state"
down_revision = "checks"

REFUSED = sa.text("attempt_id IS NULL AND deleted_at IS NULL")


def upgrade() -> None:
    """Make them; the index of states alone is a part of one of them."""
    op.create_index("ix_documents_refused", "documents", ["id"], sqlite_where=REFUSED, postgresql_where=REFUSED)
    op.create_index("ix_attempts_state_document_id", "attempts", ["state", "document_id"])
    op.drop_index("ix_attempts_state", "attempts")


def downgrade() -> None:
    """Take them back."""
    op.create_index("ix_attempts_state", "attempts", ["state"])
    op.drop_index("ix_attempts_state_document_id", "attempts")
    op.drop_index("ix_documents_refused", "documents")
