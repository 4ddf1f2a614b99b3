"""Documents that are missing in an index beside the live one, and documents that a re-index selects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from extractors.options import OcrMode
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, documents, failures, is_outdated, shadows, versions
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.reindex.reindexes import Options, Reindex
from pipeline.names import ACTIVE

__all__ = [
    "IndexedVersion",
    "MissingDocument",
    "count_missing",
    "failures_in_index",
    "indexed_versions",
    "is_unchanged",
    "list_missing",
    "list_selected",
    "live_documents",
    "open_failures",
    "still_missing",
]

Kind = Literal["missing", "active", "failed"]

LIVE = versions.alias("live")


@dataclass(frozen=True, slots=True)
class MissingDocument:
    """A document that is missing or outdated in an index: `version_id` is its live version."""

    document_id: str
    version_id: str
    file: FileRecord
    workflow: str
    extraction: str
    ocr: OcrMode | None = None


def list_missing(
    connection: Connection, collection: str, index: str, kind: Kind, after: str = "", limit: int | None = None
) -> list[MissingDocument]:
    """Documents missing in a second index, by id; `kind`: without an attempt, with a running one, or failed."""
    query = _missing(collection, index).where(_kind() == kind, documents.c.id > after)
    return [_missing_document(row) for row in connection.execute(query.order_by(documents.c.id).limit(limit))]


@dataclass(frozen=True, slots=True)
class IndexedVersion:
    """A live version of an index beside the live index: its document, and the number of its chunks."""

    version_id: str
    document_id: str
    chunks: int


def still_missing(
    connection: Connection, collection: str, index: str, candidates: Sequence[MissingDocument]
) -> list[MissingDocument]:
    """Those that are still missing: they were neither deleted nor changed, and no other attempt runs."""
    missing: set[tuple[str, str]] = set()
    for document_ids in split_list(candidate.document_id for candidate in candidates):
        query = _missing(collection, index).where(_kind() == "missing", documents.c.id.in_(document_ids))
        missing |= {(row.id, row.version_id) for row in connection.execute(query)}
    return [candidate for candidate in candidates if (candidate.document_id, candidate.version_id) in missing]


def count_missing(connection: Connection, collection: str, index: str, before: float | None = None) -> dict[str, int]:
    """Count documents missing in an index by kind, only of those that are live since before this time."""
    query = _from(sa.select(_kind().label("kind"), sa.func.count().label("number")), collection, index)
    query = query if before is None else query.where(LIVE.c.live_at <= before)
    rows = connection.execute(query.group_by(sa.text("kind")))
    return {"missing": 0, "active": 0, "failed": 0, **{row.kind: row.number for row in rows}}


def list_selected(
    connection: Connection, collection: str, options: Options, after: str = "", limit: int | None = None
) -> list[MissingDocument]:
    """Documents that the options select, by id; with `options.code` their newest version, else their live one."""
    newest_version = (
        sa.select(versions.c.id)
        .where(versions.c.document_id == documents.c.id)
        .order_by(versions.c.sequence.desc())
        .limit(1)
        .correlate(documents)
        .scalar_subquery()
    )
    chosen = newest_version if options.code else documents.c.live_version_id
    query = (
        sa.select(*_columns(versions))
        .select_from(documents.join(versions, versions.c.id == chosen))
        .where(documents.c.collection == collection, documents.c.deleted_at.is_(None), documents.c.id > after)
    )
    query = query.where(*_selection(options)).order_by(documents.c.id)
    return [_missing_document(row) for row in connection.execute(query.limit(limit))]


def live_documents(connection: Connection, version_ids: Sequence[str]) -> list[MissingDocument]:
    """The documents whose live version is one of these, unless an attempt of theirs runs."""
    query = (
        sa.select(*_columns(versions))
        .select_from(documents.join(versions, versions.c.id == documents.c.live_version_id))
        .outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
        .where(sa.or_(attempts.c.id.is_(None), attempts.c.state.not_in(ACTIVE)))
    )
    rows = [row for ids in split_list(version_ids) for row in connection.execute(query.where(versions.c.id.in_(ids)))]
    return [_missing_document(row) for row in rows]


def _selection(options: Options) -> Iterator[sa.ColumnElement[bool]]:
    """The conditions that documents must meet to be selected; none if the options select all."""
    if options.code:
        yield sa.exists().where(failures.c.document_id == documents.c.id, failures.c.code == options.code)
    if options.path:
        folder = options.path.rstrip("/") + "/"
        below = sa.func.substr(documents.c.source, 1, len(folder)) == folder
        yield sa.or_(documents.c.source == options.path, below)
    if options.media_types is not None:
        yield versions.c.media_type.in_(options.media_types)
    if options.before is not None:
        yield versions.c.modified_at < options.before
    if options.outdated:
        yield is_outdated()
    if options.extractor:
        yield versions.c.extraction.startswith(f"{options.extractor}-", autoescape=True)


def is_unchanged(connection: Connection, document: MissingDocument, options: Options) -> bool:
    """Whether a document that was selected has not changed since, and no other attempt runs."""
    query = (
        sa.select(documents.c.live_version_id, attempts.c.state)
        .outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
        .where(documents.c.id == document.document_id, documents.c.deleted_at.is_(None))
    )
    row = connection.execute(query).one_or_none()
    return row is not None and row.state not in ACTIVE and (bool(options.code) or row[0] == document.version_id)


def failures_in_index(connection: Connection, reindex: Reindex, index: str, limit: int = 100) -> list[dict[str, str]]:
    """Documents missing in the index because they failed there: source, code and message, `limit` at most.

    `holds` is `older` where the index has an older version of the document, else `nothing`.
    """
    query = _missing(reindex.collection, index).where(_kind() == "failed")
    query = query.add_columns(attempts.c.code, attempts.c.message, shadows.c.live_version_id.label("older"))
    return [_failure(row) for row in connection.execute(query.order_by(documents.c.source).limit(limit))]


def open_failures(connection: Connection, reindex: Reindex, limit: int = 100) -> list[dict[str, str]]:
    """Open failures of a re-index in the live index, in the form of `failures_in_index`."""
    query = (
        sa.select(failures.c.source, failures.c.code, failures.c.message, documents.c.live_version_id.label("older"))
        .join(documents, documents.c.id == failures.c.document_id)
        .where(failures.c.job_id == reindex.job_id)
    )
    rows = connection.execute(query.order_by(failures.c.source).limit(limit))
    return [_failure(row) for row in rows]


def indexed_versions(connection: Connection, index: str) -> list[IndexedVersion]:
    """The live versions of an index beside the live index, by the ids of their documents."""
    query = (
        sa.select(shadows.c.live_version_id, shadows.c.document_id, versions.c.chunks)
        .join(versions, versions.c.id == shadows.c.live_version_id)
        .where(shadows.c.index_name == index)
        .order_by(shadows.c.document_id)
    )
    return [IndexedVersion(row.live_version_id, row.document_id, row.chunks) for row in connection.execute(query)]


def _failure(row: Any) -> dict[str, str]:
    failure = {"source": row.source, "code": row.code or "", "message": row.message or ""}
    return {**failure, "holds": "older" if row.older else "nothing"}


def _columns(version: Any) -> tuple[Any, ...]:
    return (
        documents.c.id,
        documents.c.source,
        version.c.id.label("version_id"),
        version.c.content_sha256,
        version.c.size,
        version.c.modified_at,
        version.c.workflow,
        version.c.extraction,
        version.c.metadata,
        version.c.ocr,
    )


def _kind() -> sa.ColumnElement[str]:
    failed = sa.and_(attempts.c.state == "failed", shadows.c.tries == documents.c.live_version_id)
    return sa.case((attempts.c.state.in_(ACTIVE), "active"), (failed, "failed"), else_="missing")


def _missing(collection: str, index: str) -> sa.Select[Any]:
    return _from(sa.select(*_columns(LIVE), _kind().label("kind")), collection, index)


def _from(query: sa.Select[*tuple[Any, ...]], collection: str, index: str) -> sa.Select[Any]:
    is_in_index = sa.and_(shadows.c.document_id == documents.c.id, shadows.c.index_name == index)
    return (
        query.select_from(documents)
        .outerjoin(shadows, is_in_index)
        # Outer, so that versions are looked up only for missing documents.
        .outerjoin(LIVE, LIVE.c.id == documents.c.live_version_id)
        .outerjoin(attempts, attempts.c.id == shadows.c.attempt_id)
        .where(
            documents.c.collection == collection,
            documents.c.live_version_id.is_not(None),
            sa.func.coalesce(shadows.c.mirrors, "") != documents.c.live_version_id,
        )
    )


def _missing_document(row: sa.Row[Any]) -> MissingDocument:
    file = FileRecord(row.source, row.content_sha256, row.size, row.modified_at, row.metadata or {})
    return MissingDocument(row.id, row.version_id, file, row.workflow, row.extraction, row.ocr)
