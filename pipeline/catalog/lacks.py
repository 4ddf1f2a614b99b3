"""What an index beside the live one lacks, and which documents a re-index means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.documents import Found
from pipeline.catalog.reindexes import Options, Reindex
from pipeline.catalog.schema import ACTIVE, attempts, documents, failures, shadows, versions

__all__ = ["Lack", "failed_in", "held", "is_still", "lacking", "lacks", "wanted"]

Kind = Literal["missing", "active", "failed"]

LIVE = versions.alias("live")
HELD = versions.alias("held")
TRIED = versions.alias("tried")


@dataclass(frozen=True, slots=True)
class Lack:
    """A document that an index lacks, or holds with another content than readers see."""

    document_id: str
    version_id: str
    found: Found
    workflow: str
    extraction: str


def lacks(
    connection: Connection, collection: str, index: str, kind: Kind, after: str = "", limit: int | None = None
) -> list[Lack]:
    """Documents that an index beside the live one lacks, by id: nobody is at it, somebody is, or it failed there."""
    query = _lacking(collection, index).where(_kind() == kind, documents.c.id > after)
    return [_lack(row) for row in connection.execute(query.order_by(documents.c.id).limit(limit))]


def lacking(connection: Connection, collection: str, index: str, before: float | None = None) -> dict[str, int]:
    """How many documents an index lacks, of those that are live since before this time: missing, active, failed."""
    query = _lacking(collection, index)
    inner = (query if before is None else query.where(LIVE.c.live_at <= before)).subquery()
    rows = connection.execute(sa.select(inner.c.kind, sa.func.count()).group_by(inner.c.kind))
    return {"missing": 0, "active": 0, "failed": 0, **{row[0]: row[1] for row in rows}}


def wanted(
    connection: Connection, collection: str, options: Options, after: str = "", limit: int | None = None
) -> list[Lack]:
    """Documents that the options mean, by id; those that fail are taken by their newest content."""
    newest_one = (
        sa.select(versions.c.id)
        .where(versions.c.document_id == documents.c.id)
        .order_by(versions.c.sequence.desc())
        .limit(1)
        .correlate(documents)
        .scalar_subquery()
    )
    chosen = newest_one if options.code else documents.c.live_version_id
    query = (
        sa.select(*_columns(versions))
        .select_from(documents.join(versions, versions.c.id == chosen))
        .where(documents.c.collection == collection, documents.c.deleted_at.is_(None), documents.c.id > after)
    )
    if options.code:
        failed = sa.exists().where(failures.c.document_id == documents.c.id, failures.c.code == options.code)
        query = query.where(failed)
    if options.path:
        folder = options.path.rstrip("/") + "/"
        below = sa.func.substr(documents.c.source, 1, len(folder)) == folder
        query = query.where(sa.or_(documents.c.source == options.path, below))
    if options.media_type:
        query = query.where(versions.c.media_type == options.media_type)
    if options.before:
        query = query.where(versions.c.modified_at < options.before)
    if options.extractor:
        query = query.where(versions.c.extraction.startswith(f"{options.extractor}-", autoescape=True))
    return [_lack(row) for row in connection.execute(query.order_by(documents.c.id).limit(limit))]


def is_still(connection: Connection, lack: Lack, options: Options) -> bool:
    """Whether a document that is to be done anew is as it was found, and nobody else is at it."""
    query = (
        sa.select(documents.c.live_version_id, attempts.c.state)
        .outerjoin(attempts, attempts.c.id == documents.c.attempt_id)
        .where(documents.c.id == lack.document_id, documents.c.deleted_at.is_(None))
    )
    row = connection.execute(query).one_or_none()
    return row is not None and row.state not in ACTIVE and (bool(options.code) or row[0] == lack.version_id)


def failed_in(connection: Connection, one: Reindex, index: str, limit: int = 100) -> list[dict[str, str]]:
    """Documents that the index lacks because they failed there: source, code and message of the first ones."""
    query = _lacking(one.collection, index).where(_kind() == "failed")
    query = query.add_columns(attempts.c.code, attempts.c.message).order_by(documents.c.source).limit(limit)
    return [
        {"source": row.source, "code": row.code or "", "message": row.message or ""}
        for row in connection.execute(query)
    ]


def held(connection: Connection, index: str) -> int:
    """Documents that stand in an index beside the live one."""
    query = sa.select(sa.func.count()).where(shadows.c.index_name == index, shadows.c.live_version_id.is_not(None))
    return connection.scalar(query) or 0


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
    )


def _kind() -> sa.ColumnElement[str]:
    failed = sa.and_(attempts.c.state == "failed", TRIED.c.content_sha256 == LIVE.c.content_sha256)
    return sa.case((attempts.c.state.in_(ACTIVE), "active"), (failed, "failed"), else_="missing")


def _lacking(collection: str, index: str) -> sa.Select[Any]:
    here = sa.and_(shadows.c.document_id == documents.c.id, shadows.c.index_name == index)
    return (
        sa.select(*_columns(LIVE), _kind().label("kind"))
        .select_from(documents)
        .join(LIVE, LIVE.c.id == documents.c.live_version_id)
        .outerjoin(shadows, here)
        .outerjoin(HELD, HELD.c.id == shadows.c.live_version_id)
        .outerjoin(attempts, attempts.c.id == shadows.c.attempt_id)
        .outerjoin(TRIED, TRIED.c.id == attempts.c.version_id)
        .where(
            documents.c.collection == collection,
            sa.or_(HELD.c.id.is_(None), HELD.c.content_sha256 != LIVE.c.content_sha256),
        )
    )


def _lack(row: sa.Row[Any]) -> Lack:
    found = Found(row.source, row.content_sha256, row.size, row.modified_at, row.metadata or {})
    return Lack(row.id, row.version_id, found, row.workflow, row.extraction)
