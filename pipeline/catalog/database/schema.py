"""The tables of the catalog. Times are seconds since 1970 (UTC); ids are UUID strings.

collections          collections by name, and the space of their vectors
indexes              where the points of a collection are: one live, beside it those being built or kept for a while
shadows              the live version and attempt of documents in the indexes beside the live one
reindexes            a re-index: its indexes, its state and progress, the report of its validation
jobs                 jobs that users submitted
documents            one per (collection, source) but for deleted ones; points at its live version and current attempt
versions             one content of one document, cut and embedded by one recipe
attempts             one run of the stages over one version
submissions          which job submitted which document, and the outcome there
batches              documents that one canvas processes together
tasks                the ledger: the tasks of each batch that are due, running and done
failures             open failures of documents: the dead letters
events               events of jobs and documents in order, for followers of a job
api_keys             keys of the API with their scopes; the keys themselves are not stored
answers              answers by Idempotency-Key
orders               paths that the API has accepted to ingest
hooks                addresses to notify of the end of a job
deliveries           the outbox of the webhooks
counters             `switch`: grows with every change of what readers may see
watched              watched folders: their identity, deletions that are held back
seen                 files of those folders as they were when their documents were made
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from pipeline.names import ACTIVE

__all__ = [
    "answers",
    "api_keys",
    "attempts",
    "batches",
    "collections",
    "counters",
    "deliveries",
    "documents",
    "events",
    "failures",
    "hooks",
    "indexes",
    "jobs",
    "metadata",
    "orders",
    "rank",
    "reindexes",
    "seen",
    "shadows",
    "storable",
    "submissions",
    "tasks",
    "versions",
    "watched",
]


def rank(state: str) -> int:
    """Position of a state; terminal states share the last one."""
    return ACTIVE.index(state) if state in ACTIVE else len(ACTIVE)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.String(64)
Code = sa.String(64)
Name = sa.String(96)
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text as a column of `Text` holds it."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


class Text(sa.TypeDecorator[str]):
    """Text of any length, whatever it holds.

    Titles and messages come out of files: NUL, which PostgreSQL refuses, and lone surrogates, which have no UTF-8,
    become U+FFFD.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What is sent to the database."""
        return value if value is None else storable(value)


collections = sa.Table(
    "collections",
    metadata,
    sa.Column("name", Id, primary_key=True),
    sa.Column("fingerprint", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

indexes = sa.Table(
    "indexes",
    metadata,
    sa.Column("name", Name, primary_key=True),
    sa.Column("collection", Id, nullable=False, index=True),
    sa.Column("role", Id, nullable=False),
    sa.Column("fingerprint", sa.JSON, nullable=False),
    sa.Column("making", sa.JSON, nullable=False),
    sa.Column("pinned", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("dropped_at", sa.Double),
)

shadows = sa.Table(
    "shadows",
    metadata,
    sa.Column("document_id", Id, primary_key=True),
    sa.Column("index_name", Name, primary_key=True),
    sa.Column("live_version_id", Id, index=True),
    sa.Column("mirrors", Id),
    sa.Column("attempt_id", Id, index=True),
    sa.Column("tries", Id),
)

reindexes = sa.Table(
    "reindexes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job_id", Id, nullable=False, index=True),
    sa.Column("collection", Id, nullable=False, index=True),
    sa.Column("from_index", Name, nullable=False),
    sa.Column("to_index", Name, nullable=False),
    sa.Column("state", Id, nullable=False, index=True),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("cursor", Id),
    sa.Column("fed", sa.Integer, nullable=False),
    sa.Column("report", sa.JSON),
    sa.Column("message", Text),
    sa.Column("stumbles", sa.Integer, nullable=False, server_default="0"),
    sa.Column("again_at", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("entered_at", sa.Double, nullable=False),
    sa.Column("soak_until", sa.Double),
    sa.Column("finished_at", sa.Double),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("collection", Id, nullable=False),
    sa.Column("workflow", Id, nullable=False),
    sa.Column("plan", sa.JSON(none_as_null=True)),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("request_id", Id, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("intake_done", sa.Boolean, nullable=False),
    sa.Column("cancelled_at", sa.Double),
    sa.Column("finished_at", sa.Double, index=True),
    sa.Column("bytes_expected", sa.BigInteger, nullable=False),
    sa.Column("fraction", sa.Double, nullable=False),
    sa.Column("samples", sa.JSON, nullable=False),
    sa.Column("paths", sa.JSON(none_as_null=True)),
    sa.Column("confined", sa.Boolean, nullable=False),
    sa.Column("open_until", sa.Double),
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("collection", Id, nullable=False),
    sa.Column("source", Text, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("live_version_id", Id, index=True),
    sa.Column("attempt_id", Id),
    sa.Column("deleted_at", sa.Double),
    sa.Column("undo_until", sa.Double, index=True),
    sa.Column("moved_at", sa.Double, index=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
)
sa.Index(
    "uq_documents_collection_source",
    documents.c.collection,
    documents.c.source,
    unique=True,
    sqlite_where=documents.c.deleted_at.is_(None),
    postgresql_where=documents.c.deleted_at.is_(None),
)

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("document_id", Id, nullable=False, index=True),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("content_sha256", Id, nullable=False, index=True),
    sa.Column("recipe", Id, nullable=False),
    sa.Column("index_name", Name, nullable=False),
    sa.Column("workflow", Id, nullable=False),
    sa.Column("extraction", Id, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("modified_at", sa.Double, nullable=False),
    sa.Column("media_type", Text),
    sa.Column("title", Text),
    sa.Column("pages_text", sa.Integer, nullable=False, server_default="0"),
    sa.Column("pages_ocr", sa.Integer, nullable=False, server_default="0"),
    sa.Column("pages_empty", sa.Integer, nullable=False, server_default="0"),
    sa.Column("pages_failed", sa.Integer, nullable=False, server_default="0"),
    # Those of them that OCR may read another time.
    sa.Column("pages_unread", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chunks", sa.Integer, nullable=False, server_default="0"),
    sa.Column("warnings", sa.JSON),
    sa.Column("metadata", sa.JSON(none_as_null=True)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("live_at", sa.Double),
    sa.Column("retired_at", sa.Double),
    sa.Column("removed_at", sa.Double),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("document_id", Id, nullable=False, index=True),
    sa.Column("version_id", Id, nullable=False, index=True),
    sa.Column("job_id", Id, nullable=False, index=True),
    sa.Column("batch_id", Id, index=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", Id, nullable=False, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("pages_total", sa.Integer, nullable=False, server_default="0"),
    sa.Column("pages_done", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chunks_total", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chunks_embedded", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chunks_cached", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chunks_upserted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("code", Code),
    sa.Column("message", Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double, index=True),
    sa.Column("pages_scanned", sa.Integer, nullable=False, server_default="0"),
)

submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("job_id", Id, primary_key=True),
    sa.Column("document_id", Id, primary_key=True),
    sa.Column("source", Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("attempt_id", Id, index=True),
    sa.Column("outcome", Id),
    sa.Column("code", Code),
    sa.Column("message", Text),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job_id", Id, nullable=False, index=True),
    sa.Column("plan", sa.JSON(none_as_null=True)),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("state", Id, nullable=False, index=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("admitted_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Index("ix_batches_state_priority_created_at", "state", "priority", "created_at"),
)

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("batch_id", Id, nullable=False, index=True),
    sa.Column("stage", Id, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("state", Id, nullable=False, index=True),
    sa.Column("runner", Id),
    sa.Column("starts", sa.Integer, nullable=False),
    sa.Column("published_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double, index=True),
    sa.Column("detail", sa.JSON),
)

failures = sa.Table(
    "failures",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job_id", Id, nullable=False, index=True),
    sa.Column("document_id", Id, nullable=False, index=True),
    sa.Column("collection", Id, nullable=False),
    sa.Column("source", Text, nullable=False),
    sa.Column("stage", Id, nullable=False),
    sa.Column("code", Code, nullable=False, index=True),
    sa.Column("message", Text, nullable=False),
    sa.Column("hint", Text, nullable=False),
    sa.Column("transient", sa.Boolean, nullable=False),
    sa.Column("reading", Id),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index("ix_failures_collection_source", "collection", "source"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("job_id", Id, nullable=False),
    sa.Column("document_id", Id),
    sa.Column("kind", Id, nullable=False),
    sa.Column("data", sa.JSON),
    sa.Index("ix_events_job_id_id", "job_id", "id"),
    sa.Index("ix_events_document_id", "document_id"),
    sa.Index("ix_events_at", "at"),
    sqlite_autoincrement=True,
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", Id, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("sha256", Id, nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("rate", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("used_at", sa.Double),
    sa.Column("revoked_at", sa.Double),
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("scope", Id, primary_key=True),
    sa.Column("request", Id, nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False, index=True),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("job_id", Id, primary_key=True),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("taken_at", sa.Double, index=True),
)

hooks = sa.Table(
    "hooks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job_id", Id, index=True),
    sa.Column("key_id", Id, index=True),
    sa.Column("url", Text, nullable=False),
    sa.Column("secret", Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("hook_id", Id, nullable=False),
    sa.Column("job_id", Id, nullable=False, index=True),
    sa.Column("state", Id, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("body", Text),
    sa.Column("status", sa.Integer),
    sa.Column("error", Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Index("ix_deliveries_state_due_at", "state", "due_at"),
)

watched = sa.Table(
    "watched",
    metadata,
    sa.Column("root", Text, primary_key=True),
    sa.Column("identity", Id),
    sa.Column("files", sa.Integer, nullable=False, server_default="0"),
    sa.Column("held", Id),
    sa.Column("held_files", sa.Integer, nullable=False, server_default="0"),
    sa.Column("held_since", sa.Double),
    sa.Column("confirmed", sa.Integer),
    sa.Column("mode", Id),
    sa.Column("trouble", Text),
    sa.Column("looked_at", sa.Double),
)

seen = sa.Table(
    "seen",
    metadata,
    sa.Column("collection", Id, primary_key=True),
    sa.Column("source", Text, primary_key=True),
    sa.Column("device", Id, nullable=False),
    sa.Column("inode", Id, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("ctime_ns", sa.BigInteger, nullable=False),
    sa.Column("sha256", Id),
    sa.Column("document_id", Id),
    sa.Column("tags", sa.JSON(none_as_null=True)),
    sa.Column("beside", Id),
    sa.Column("gone_at", sa.Double),
)
