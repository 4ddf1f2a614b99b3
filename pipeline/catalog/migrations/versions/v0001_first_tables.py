"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "first"
down_revision = None


def upgrade() -> None:
    """Bring the tables up."""
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("pages_total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pages_done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("chunks_total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("chunks_embedded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("chunks_cached", sa.Integer(), server_default="0", nullable=False),
        sa.Column("chunks_upserted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_batch_id"), "attempts", ["batch_id"], unique=False)
    op.create_index(op.f("ix_attempts_document_id"), "attempts", ["document_id"], unique=False)
    op.create_index(op.f("ix_attempts_finished_at"), "attempts", ["finished_at"], unique=False)
    op.create_index(op.f("ix_attempts_job_id"), "attempts", ["job_id"], unique=False)
    op.create_index(op.f("ix_attempts_state"), "attempts", ["state"], unique=False)
    op.create_index(op.f("ix_attempts_version_id"), "attempts", ["version_id"], unique=False)
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("admitted_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index(op.f("ix_batches_job_id"), "batches", ["job_id"], unique=False)
    op.create_index(op.f("ix_batches_state"), "batches", ["state"], unique=False)
    op.create_index(
        "ix_batches_state_priority_created_at", "batches", ["state", "priority", "created_at"], unique=False
    )
    op.create_table(
        "collections",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_collections")),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("live_version_id", sa.String(length=64), nullable=True),
        sa.Column("attempt_id", sa.String(length=64), nullable=True),
        sa.Column("deleted_at", sa.Double(), nullable=True),
        sa.Column("undo_until", sa.Double(), nullable=True),
        sa.Column("moved_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
    )
    op.create_index(
        "uq_documents_collection_source",
        "documents",
        ["collection", "source"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(op.f("ix_documents_live_version_id"), "documents", ["live_version_id"], unique=False)
    op.create_index(op.f("ix_documents_undo_until"), "documents", ["undo_until"], unique=False)
    op.create_index(op.f("ix_documents_moved_at"), "documents", ["moved_at"], unique=False)
    op.create_table(
        "watched",
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=True),
        sa.Column("files", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held", sa.String(length=64), nullable=True),
        sa.Column("held_files", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held_since", sa.Double(), nullable=True),
        sa.Column("confirmed", sa.Integer(), nullable=True),
        sa.Column("mode", sa.String(length=64), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("looked_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("root", name=op.f("pk_watched")),
    )
    op.create_table(
        "seen",
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("inode", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("ctime_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("document_id", sa.String(length=64), nullable=True),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("beside", sa.String(length=64), nullable=True),
        sa.Column("gone_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("collection", "source", name=op.f("pk_seen")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("data", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_job_id_id", "events", ["job_id", "id"], unique=False)
    op.create_index("ix_events_document_id", "events", ["document_id"], unique=False)
    op.create_index("ix_events_at", "events", ["at"], unique=False)
    op.create_table(
        "failures",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("transient", sa.Boolean(), nullable=False),
        sa.Column("reading", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failures")),
    )
    op.create_index(op.f("ix_failures_code"), "failures", ["code"], unique=False)
    op.create_index("ix_failures_collection_source", "failures", ["collection", "source"], unique=False)
    op.create_index(op.f("ix_failures_document_id"), "failures", ["document_id"], unique=False)
    op.create_index(op.f("ix_failures_job_id"), "failures", ["job_id"], unique=False)
    op.create_table(
        "indexes",
        sa.Column("name", sa.String(length=96), nullable=False),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.JSON(), nullable=False),
        sa.Column("making", sa.JSON(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("dropped_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_indexes")),
    )
    op.create_index(op.f("ix_indexes_collection"), "indexes", ["collection"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("workflow", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("intake_done", sa.Boolean(), nullable=False),
        sa.Column("cancelled_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("bytes_expected", sa.BigInteger(), nullable=False),
        sa.Column("fraction", sa.Double(), nullable=False),
        sa.Column("samples", sa.JSON(), nullable=False),
        sa.Column("paths", sa.JSON(), nullable=True),
        sa.Column("confined", sa.Boolean(), nullable=False),
        sa.Column("open_until", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_finished_at"), "jobs", ["finished_at"], unique=False)
    op.create_table(
        "reindexes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("from_index", sa.String(length=96), nullable=False),
        sa.Column("to_index", sa.String(length=96), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("cursor", sa.String(length=64), nullable=True),
        sa.Column("fed", sa.Integer(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("stumbles", sa.Integer(), server_default="0", nullable=False),
        sa.Column("again_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("entered_at", sa.Double(), nullable=False),
        sa.Column("soak_until", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reindexes")),
    )
    op.create_index(op.f("ix_reindexes_collection"), "reindexes", ["collection"], unique=False)
    op.create_index(op.f("ix_reindexes_job_id"), "reindexes", ["job_id"], unique=False)
    op.create_index(op.f("ix_reindexes_state"), "reindexes", ["state"], unique=False)
    op.create_table(
        "shadows",
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("index_name", sa.String(length=96), nullable=False),
        sa.Column("live_version_id", sa.String(length=64), nullable=True),
        sa.Column("mirrors", sa.String(length=64), nullable=True),
        sa.Column("attempt_id", sa.String(length=64), nullable=True),
        sa.Column("tries", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("document_id", "index_name", name=op.f("pk_shadows")),
    )
    op.create_index(op.f("ix_shadows_attempt_id"), "shadows", ["attempt_id"], unique=False)
    op.create_index(op.f("ix_shadows_live_version_id"), "shadows", ["live_version_id"], unique=False)
    op.create_table(
        "submissions",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("attempt_id", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=64), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", "document_id", name=op.f("pk_submissions")),
    )
    op.create_index(op.f("ix_submissions_attempt_id"), "submissions", ["attempt_id"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("runner", sa.String(length=64), nullable=True),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.Column("published_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index(op.f("ix_tasks_batch_id"), "tasks", ["batch_id"], unique=False)
    op.create_index(op.f("ix_tasks_finished_at"), "tasks", ["finished_at"], unique=False)
    op.create_index(op.f("ix_tasks_state"), "tasks", ["state"], unique=False)
    op.create_table(
        "versions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("recipe", sa.String(length=64), nullable=False),
        sa.Column("index_name", sa.String(length=96), nullable=False),
        sa.Column("workflow", sa.String(length=64), nullable=False),
        sa.Column("extraction", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.Double(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("pages_text", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pages_ocr", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pages_empty", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pages_failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pages_unread", sa.Integer(), server_default="0", nullable=False),
        sa.Column("chunks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("live_at", sa.Double(), nullable=True),
        sa.Column("retired_at", sa.Double(), nullable=True),
        sa.Column("removed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
    )
    op.create_index(op.f("ix_versions_content_sha256"), "versions", ["content_sha256"], unique=False)
    op.create_index(op.f("ix_versions_document_id"), "versions", ["document_id"], unique=False)

    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("sha256", name=op.f("uq_api_keys_sha256")),
    )
    op.create_table(
        "answers",
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_answers")),
    )
    op.create_index(op.f("ix_answers_created_at"), "answers", ["created_at"], unique=False)
    op.create_table(
        "orders",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("taken_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_orders")),
    )
    op.create_index(op.f("ix_orders_taken_at"), "orders", ["taken_at"], unique=False)
    op.create_table(
        "hooks",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=True),
        sa.Column("key_id", sa.String(length=64), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hooks")),
    )
    op.create_index(op.f("ix_hooks_job_id"), "hooks", ["job_id"], unique=False)
    op.create_index(op.f("ix_hooks_key_id"), "hooks", ["key_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("hook_id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_job_id"), "deliveries", ["job_id"], unique=False)
    op.create_index("ix_deliveries_state_due_at", "deliveries", ["state", "due_at"], unique=False)


def downgrade() -> None:
    """Take the tables back."""
    op.drop_index("ix_deliveries_state_due_at", table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_job_id"), table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index(op.f("ix_hooks_key_id"), table_name="hooks")
    op.drop_index(op.f("ix_hooks_job_id"), table_name="hooks")
    op.drop_table("hooks")
    op.drop_index(op.f("ix_orders_taken_at"), table_name="orders")
    op.drop_table("orders")
    op.drop_index(op.f("ix_answers_created_at"), table_name="answers")
    op.drop_table("answers")
    op.drop_table("api_keys")
    op.drop_index(op.f("ix_versions_document_id"), table_name="versions")
    op.drop_index(op.f("ix_versions_content_sha256"), table_name="versions")
    op.drop_table("versions")
    op.drop_index(op.f("ix_tasks_state"), table_name="tasks")
    op.drop_index(op.f("ix_tasks_finished_at"), table_name="tasks")
    op.drop_index(op.f("ix_tasks_batch_id"), table_name="tasks")
    op.drop_table("tasks")
    op.drop_index(op.f("ix_submissions_attempt_id"), table_name="submissions")
    op.drop_table("submissions")
    op.drop_index(op.f("ix_shadows_live_version_id"), table_name="shadows")
    op.drop_index(op.f("ix_shadows_attempt_id"), table_name="shadows")
    op.drop_table("shadows")
    op.drop_index(op.f("ix_reindexes_state"), table_name="reindexes")
    op.drop_index(op.f("ix_reindexes_job_id"), table_name="reindexes")
    op.drop_index(op.f("ix_reindexes_collection"), table_name="reindexes")
    op.drop_table("reindexes")
    op.drop_index(op.f("ix_jobs_finished_at"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_index(op.f("ix_indexes_collection"), table_name="indexes")
    op.drop_table("indexes")
    op.drop_index(op.f("ix_failures_job_id"), table_name="failures")
    op.drop_index(op.f("ix_failures_document_id"), table_name="failures")
    op.drop_index("ix_failures_collection_source", table_name="failures")
    op.drop_index(op.f("ix_failures_code"), table_name="failures")
    op.drop_table("failures")
    op.drop_index("ix_events_at", table_name="events")
    op.drop_index("ix_events_document_id", table_name="events")
    op.drop_index("ix_events_job_id_id", table_name="events")
    op.drop_table("events")
    op.drop_table("seen")
    op.drop_table("watched")
    op.drop_index(op.f("ix_documents_moved_at"), table_name="documents")
    op.drop_index(op.f("ix_documents_undo_until"), table_name="documents")
    op.drop_index(op.f("ix_documents_live_version_id"), table_name="documents")
    op.drop_index("uq_documents_collection_source", table_name="documents")
    op.drop_table("documents")
    op.drop_table("counters")
    op.drop_table("collections")
    op.drop_index("ix_batches_state_priority_created_at", table_name="batches")
    op.drop_index(op.f("ix_batches_state"), table_name="batches")
    op.drop_index(op.f("ix_batches_job_id"), table_name="batches")
    op.drop_table("batches")
    op.drop_index(op.f("ix_attempts_version_id"), table_name="attempts")
    op.drop_index(op.f("ix_attempts_state"), table_name="attempts")
    op.drop_index(op.f("ix_attempts_job_id"), table_name="attempts")
    op.drop_index(op.f("ix_attempts_finished_at"), table_name="attempts")
    op.drop_index(op.f("ix_attempts_document_id"), table_name="attempts")
    op.drop_index(op.f("ix_attempts_batch_id"), table_name="attempts")
    op.drop_table("attempts")
