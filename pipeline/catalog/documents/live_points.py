"""What the points of live versions should be, and which versions may have points at all."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from extractors.options import OcrMode
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, batches, documents, indexes, versions
from pipeline.catalog.index.second_index import is_live_in_second_index
from pipeline.names import ACTIVE

__all__ = [
    "Expected",
    "LiveVersion",
    "UploadedFile",
    "count_expected",
    "known",
    "list_live",
    "live_by_id",
    "may_have_points",
    "originals_kept_for_readers",
]


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """The live version of a document, with what its points must say.

    `is_labelled`: its points have its present source, tags and title, or soon will, if it is not set. `is_busy`:
    something is being done to the document at the moment.
    """

    document_id: str
    version_id: str
    index: str
    chunks: int
    source: str
    tags: Sequence[str]
    title: str | None
    media_type: str | None
    content_sha256: str
    modified_at: float
    extraction: str
    workflow: str
    ocr: OcrMode | None
    is_labelled: bool
    is_busy: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """How many points of live versions an index should have; work under way may explain a difference of `slack`."""

    collection: str
    index: str
    documents: int
    points: int
    slack: int


def list_live(connection: Connection, index: str, after: str, limit: int) -> list[LiveVersion]:
    """Live versions of a live index, by the ids of their documents, from the document after this one on."""
    query = _live().where(versions.c.index_name == index, documents.c.id > after)
    return [_version(row) for row in connection.execute(query.order_by(documents.c.id).limit(limit))]


def live_by_id(connection: Connection, version_ids: Collection[str]) -> dict[str, LiveVersion]:
    """Those of these versions that are live in the live index of their collection, by their ids."""
    found: dict[str, LiveVersion] = {}
    for group in split_list(version_ids):
        for row in connection.execute(_live().where(versions.c.id.in_(group))):
            found[row.version_id] = _version(row)
    return found


def known(connection: Connection, index: str, version_ids: Collection[str]) -> set[str]:
    """Those of these versions that the catalog knows in this index."""
    query = sa.select(versions.c.id).where(versions.c.index_name == index)
    found: set[str] = set()
    for group in split_list(version_ids):
        found |= set(connection.scalars(query.where(versions.c.id.in_(group))))
    return found


def may_have_points(connection: Connection, index: str, version_ids: Collection[str]) -> set[str]:
    """Those of these versions that may have points in this index now.

    They are live in some index, are being made, belong to a document that can be revived, or a task that removes their
    points has not ended.
    """
    at_work = sa.exists(
        sa.select(attempts.c.id)
        .outerjoin(batches, batches.c.id == attempts.c.batch_id)
        .where(attempts.c.version_id == versions.c.id, _is_at_work())
        .correlate(versions)
    )
    query = (
        sa.select(versions.c.id)
        .join(documents, documents.c.id == versions.c.document_id)
        .where(
            versions.c.index_name == index,
            sa.or_(
                documents.c.live_version_id == versions.c.id,
                is_live_in_second_index(),
                documents.c.undo_until > time.time(),
                at_work,
            ),
        )
    )
    found: set[str] = set()
    for group in split_list(version_ids):
        found |= set(connection.scalars(query.where(versions.c.id.in_(group))))
    return found


def count_expected(connection: Connection) -> list[Expected]:
    """What each live index should hold, by the name of its collection."""
    sums = _sums(connection)
    at_work = _sums(connection, _is_worked_on())
    slack = _chunks_being_made(connection) + _chunks_to_revive(connection)
    query = sa.select(indexes.c.collection, indexes.c.name).where(indexes.c.role == "live")
    return [
        Expected(row.collection, row.name, *sums.get(row.name, (0, 0)), at_work.get(row.name, (0, 0))[1] + slack)
        for row in connection.execute(query.order_by(indexes.c.collection))
    ]


def _sums(connection: Connection, *conditions: sa.ColumnElement[bool]) -> Mapping[str, tuple[int, int]]:
    """Documents and chunks of the live versions that meet the conditions, by index."""
    query = (
        sa.select(
            versions.c.index_name, sa.func.count().label("number"), sa.func.sum(versions.c.chunks).label("chunks")
        )
        .select_from(documents.join(versions, versions.c.id == documents.c.live_version_id))
        .where(*conditions)
        .group_by(versions.c.index_name)
    )
    return {row.index_name: (int(row.number), int(row.chunks or 0)) for row in connection.execute(query)}


def _chunks_being_made(connection: Connection) -> int:
    """Chunks of all attempts under way."""
    query = sa.select(sa.func.sum(attempts.c.chunks_total)).where(attempts.c.state.in_(ACTIVE))
    return int(connection.scalar(query) or 0)


def _chunks_to_revive(connection: Connection) -> int:
    """Chunks of documents that are deleted and keep their points for a while, as they can be revived."""
    is_kept = (documents.c.undo_until > time.time(), versions.c.live_at.is_not(None), versions.c.removed_at.is_(None))
    query = sa.select(sa.func.sum(versions.c.chunks)).join(documents, documents.c.id == versions.c.document_id)
    return int(connection.scalar(query.where(*is_kept)) or 0)


def _is_at_work() -> sa.ColumnElement[bool]:
    """Whether an attempt runs, or its batch has not ended; `attempts` and `batches` are joined."""
    return sa.or_(attempts.c.state.in_(ACTIVE), batches.c.state.in_(("waiting", "active")))


def _is_worked_on() -> sa.ColumnElement[bool]:
    """Whether an attempt of a document is at work."""
    query = sa.select(attempts.c.id).outerjoin(batches, batches.c.id == attempts.c.batch_id)
    return sa.exists(query.where(attempts.c.document_id == documents.c.id, _is_at_work()).correlate(documents))


def _live() -> sa.Select[Any]:
    return sa.select(
        documents.c.id.label("document_id"),
        documents.c.source,
        documents.c.tags,
        documents.c.moved_at,
        versions.c.id.label("version_id"),
        versions.c.index_name.label("index"),
        versions.c.chunks,
        versions.c.title,
        versions.c.media_type,
        versions.c.content_sha256,
        versions.c.modified_at,
        versions.c.extraction,
        versions.c.workflow,
        versions.c.ocr,
        _is_worked_on().label("is_busy"),
    ).join(versions, versions.c.id == documents.c.live_version_id)


def _version(row: sa.Row[Any]) -> LiveVersion:
    values = {name: value for name, value in row._mapping.items() if name != "moved_at"}
    return LiveVersion(**{**values, "is_busy": bool(row.is_busy), "is_labelled": row.moved_at is None})


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A document whose file only the spool has."""

    document_id: str
    collection: str
    source: str
    content_sha256: str


def originals_kept_for_readers(connection: Connection) -> list[UploadedFile]:
    """The live versions of uploaded files: the spool keeps these files as long as the documents are there."""
    query = (
        sa.select(documents.c.id, documents.c.collection, documents.c.source, versions.c.content_sha256)
        .join(versions, versions.c.id == documents.c.live_version_id)
        .where(sa.func.substr(documents.c.source, 1, 1) != "/")
    )
    return [UploadedFile(row.id, row.collection, row.source, row.content_sha256) for row in connection.execute(query)]
