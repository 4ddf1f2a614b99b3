"""Tables of documents: collections and their indexes, documents and their versions, watched folders."""

from __future__ import annotations

import sqlalchemy as sa

from extractors import EXTRACTOR_VERSION
from pipeline.catalog.database.schema.columns import Id, Name, Text, metadata
from pipeline.plan import CHUNKER_VERSION

__all__ = [
    "checks",
    "collections",
    "counters",
    "document_tags",
    "documents",
    "indexes",
    "is_incomplete",
    "is_outdated",
    "reindexes",
    "seen",
    "shadows",
    "versions",
    "watched",
]

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
    # Bytes of the live version, 0 without one: lists are in its order.
    sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
    # An order of a list each, over everything and within a collection; the one of sources within it is unique, below.
    sa.Index("ix_documents_source_id", "source", "id"),
    sa.Index("ix_documents_created_at_id", "created_at", "id"),
    sa.Index("ix_documents_size_id", "size", "id"),
    sa.Index("ix_documents_collection_id", "collection", "id"),
    sa.Index("ix_documents_collection_created_at_id", "collection", "created_at", "id"),
    sa.Index("ix_documents_collection_size_id", "collection", "size", "id"),
)

document_tags = sa.Table(
    "document_tags",
    metadata,
    sa.Column("tag", Id, primary_key=True),
    sa.Column("document_id", Id, primary_key=True, index=True),
)

_is_refused = documents.c.attempt_id.is_(None) & documents.c.deleted_at.is_(None)

sa.Index(
    "ix_documents_refused",
    documents.c.id,
    sqlite_where=_is_refused,
    postgresql_where=_is_refused,
)

_is_deleted = documents.c.deleted_at.is_not(None)

sa.Index("ix_documents_deleted", documents.c.id, sqlite_where=_is_deleted, postgresql_where=_is_deleted)

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
    sa.Column("missing", sa.JSON),
    sa.Column("parts_missing", sa.Integer, nullable=False, server_default="0"),
    sa.Column("page_warnings", sa.JSON),
    # As the user asked for it; NULL is the setting.
    sa.Column("ocr", Id),
    sa.Column("chunker", Id, nullable=False, server_default=""),
    # Mean over its pages of OCR's mean word confidence, 0 to 1; NULL without such pages, and where it was not kept yet.
    sa.Column("ocr_confidence", sa.Double),
    # With all that `is_outdated` and `is_incomplete` ask: rows of versions are long, and are not read for it.
    sa.Index("ix_versions_reading", "extraction", "chunker", "parts_missing", "pages_failed", "id", "document_id"),
)


def is_incomplete() -> sa.ColumnElement[bool]:
    """The condition that a part of a version's file is not in its text: a page, an attached file and so on."""
    # Literal numbers, not parameters: SQLite then knows that it is the condition of the index.
    nothing: sa.ColumnElement[int] = sa.literal_column("0")
    return sa.or_(versions.c.parts_missing > nothing, versions.c.pages_failed > nothing)


sa.Index(
    "ix_versions_incomplete", versions.c.document_id, sqlite_where=is_incomplete(), postgresql_where=is_incomplete()
)


def is_outdated() -> sa.ColumnElement[bool]:
    """The condition that an earlier version of the extractors or of the chunker made a version."""
    now = f"{EXTRACTOR_VERSION}-"
    # Not LIKE, which takes twice as long where all versions are looked at.
    return sa.or_(sa.func.substr(versions.c.extraction, 1, len(now)) != now, versions.c.chunker != CHUNKER_VERSION)


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

checks = sa.Table(
    "checks",
    metadata,
    sa.Column("name", Id, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("result", sa.JSON, nullable=False),
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", Id, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
