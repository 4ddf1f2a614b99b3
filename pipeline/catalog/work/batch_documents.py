"""Documents of a batch, as a task reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from extractors.options import OcrMode
from pipeline.catalog.database.schema import attempts, documents, reindexes, versions
from pipeline.catalog.index import second_index
from pipeline.names import ACTIVE

__all__ = [
    "BatchedAttempt",
    "is_running",
    "list_ids",
    "running",
]


@dataclass(frozen=True, slots=True)
class BatchedAttempt:
    """A document of a batch, with its attempt; `anew`: its file is read even if its extracted text was kept.

    `ocr`: which of its pages are read by OCR; None as the settings say.
    """

    attempt_id: str
    document_id: str
    version_id: str
    job_id: str
    collection: str
    index: str
    extraction: str
    source: str
    content_sha256: str
    size: int
    modified_at: float
    media_type: str | None
    title: str | None
    chunks_total: int
    metadata: Mapping[str, Any] | None = None
    tags: Sequence[str] = ()
    anew: bool = False
    ocr: OcrMode | None = None


def running(connection: Connection, batch_id: str) -> list[BatchedAttempt]:
    """Documents of a batch whose attempt is still running and still the current one, in a stable order."""
    return [BatchedAttempt(**row) for row in connection.execute(_running(), {"batch": batch_id}).mappings()]


def is_running(connection: Connection, attempt_id: str) -> bool:
    """Whether an attempt is still running and still the current one of its document."""
    return connection.scalar(_is_running(), {"attempt": attempt_id}) is not None


@cache
def _is_running() -> sa.Select[Any]:
    return (
        sa.select(attempts.c.id)
        .join(documents, documents.c.id == attempts.c.document_id)
        .where(attempts.c.id == sa.bindparam("attempt"), attempts.c.state.in_(ACTIVE), second_index.is_current())
    )


@cache
def _running() -> sa.Select[Any]:
    return (
        sa.select(
            attempts.c.id.label("attempt_id"),
            attempts.c.document_id,
            attempts.c.version_id,
            attempts.c.job_id,
            attempts.c.chunks_total,
            documents.c.collection,
            documents.c.source,
            documents.c.tags,
            versions.c.index_name.label("index"),
            versions.c.extraction,
            versions.c.content_sha256,
            versions.c.size,
            versions.c.modified_at,
            versions.c.media_type,
            versions.c.title,
            versions.c.metadata,
            versions.c.ocr,
            _anew().label("anew"),
        )
        .join(documents, documents.c.id == attempts.c.document_id)
        .join(versions, versions.c.id == attempts.c.version_id)
        .where(attempts.c.batch_id == sa.bindparam("batch"), attempts.c.state.in_(ACTIVE), second_index.is_current())
        .order_by(attempts.c.id)
    )


def _anew() -> sa.ColumnElement[bool]:
    is_asked = reindexes.c.options["re_extract"].as_boolean()
    return sa.exists().where(reindexes.c.job_id == attempts.c.job_id, is_asked)


class Outcome(NamedTuple):
    """How an attempt of a batch has ended, and what its version was made of."""

    state: str
    source: str
    content_sha256: str
    extraction: str


def outcomes(connection: Connection, batch_id: str) -> list[Outcome]:
    """How the attempts of a batch that has ended have ended."""
    query = (
        sa.select(attempts.c.state, documents.c.source, versions.c.content_sha256, versions.c.extraction)
        .join(documents, documents.c.id == attempts.c.document_id)
        .join(versions, versions.c.id == attempts.c.version_id)
        .where(attempts.c.batch_id == batch_id)
    )
    return [Outcome(*row) for row in connection.execute(query)]


def list_ids(connection: Connection, batch_id: str) -> list[str]:
    """Ids of all documents of a batch, those with ended attempts too."""
    return list(connection.scalars(sa.select(attempts.c.document_id).where(attempts.c.batch_id == batch_id)))
