"""Lists of documents and jobs are filtered and sorted by indexes; a job keeps how it ended."""

import json
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = "sorted_lists"
down_revision = "lists_of_tasks"

DELETED = sa.text("deleted_at IS NOT NULL")
INCOMPLETE = sa.text("parts_missing > 0 OR pages_failed > 0")
READING = ["extraction", "chunker", "parts_missing", "pages_failed", "id"]
HAS_CODE = sa.text("code IS NOT NULL")

INDEXES = (
    ("documents", ("source", "id")),
    ("documents", ("created_at", "id")),
    ("documents", ("size", "id")),
    ("documents", ("collection", "id")),
    ("documents", ("collection", "created_at", "id")),
    ("documents", ("collection", "size", "id")),
    ("document_tags", ("document_id",)),
    ("jobs", ("created_at", "id")),
    ("jobs", ("collection", "created_at", "id")),
    ("jobs", ("workflow", "created_at", "id")),
    ("jobs", ("outcome", "created_at", "id")),
    ("submissions", ("job_id", "outcome")),
)

SIZES = "UPDATE documents SET size = coalesce((SELECT size FROM versions WHERE versions.id = live_version_id), 0)"
TAGS = {
    "sqlite": "SELECT DISTINCT json_each.value, documents.id FROM documents, json_each(documents.tags)",
    "postgresql": "SELECT DISTINCT json_array_elements_text(tags), id FROM documents",
}
COUNTS = (
    "SELECT job_id, submissions.outcome, count(*) FROM submissions JOIN jobs ON jobs.id = job_id "
    "WHERE finished_at IS NOT NULL AND submissions.outcome IS NOT NULL GROUP BY job_id, submissions.outcome"
)
ENDED = "SELECT id, cancelled_at FROM jobs WHERE finished_at IS NOT NULL"
END = "UPDATE jobs SET outcome = :outcome, outcomes = :outcomes WHERE id = :id"


def upgrade() -> None:
    """Make columns, table and indexes, and fill them from what is there."""
    op.add_column("documents", sa.Column("size", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("outcome", sa.String(64)))
    op.add_column("jobs", sa.Column("outcomes", sa.JSON(none_as_null=True)))
    op.create_table(
        "document_tags",
        sa.Column("tag", sa.String(64), nullable=False),
        sa.Column("document_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tag", "document_id", name="pk_document_tags"),
    )
    op.execute(SIZES)
    op.execute(f"INSERT INTO document_tags (tag, document_id) {TAGS[op.get_context().dialect.name]}")
    _end_jobs(op.get_bind())
    for table, columns in INDEXES:
        op.create_index(_name(table, columns), table, columns)
    op.drop_index("ix_versions_reading", "versions")
    op.create_index("ix_versions_reading", "versions", [*READING, "document_id"])
    _partial("ix_documents_deleted", "documents", ["id"], DELETED)
    _partial("ix_versions_incomplete", "versions", ["document_id"], INCOMPLETE)
    _partial("ix_submissions_code_job_id", "submissions", ["code", "job_id"], HAS_CODE)


def downgrade() -> None:
    """Take them back."""
    op.drop_index("ix_submissions_code_job_id", "submissions")
    op.drop_index("ix_versions_incomplete", "versions")
    op.drop_index("ix_documents_deleted", "documents")
    op.drop_index("ix_versions_reading", "versions")
    op.create_index("ix_versions_reading", "versions", READING)
    for table, columns in reversed(INDEXES):
        op.drop_index(_name(table, columns), table)
    op.drop_table("document_tags")
    op.drop_column("jobs", "outcomes")
    op.drop_column("jobs", "outcome")
    op.drop_column("documents", "size")


def _name(table: str, columns: tuple[str, ...]) -> str:
    return f"ix_{table}_{'_'.join(columns)}"


def _partial(name: str, table: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _end_jobs(connection: sa.Connection) -> None:
    """Store how the jobs that have ended did."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for job_id, outcome, number in connection.execute(sa.text(COUNTS)):
        counts[job_id][outcome] = number
    rows = [
        {"id": job_id, "outcome": _outcome(cancelled_at, counts[job_id]), "outcomes": json.dumps(counts[job_id])}
        for job_id, cancelled_at in connection.execute(sa.text(ENDED))
    ]
    if rows:
        connection.execute(sa.text(END), rows)


def _outcome(cancelled_at: float | None, counts: dict[str, int]) -> str:
    if cancelled_at is not None:
        return "cancelled"
    if not counts.get("failed"):
        return "completed"
    return "failed" if counts.keys() == {"failed"} else "partial"
