"""Re-indexes in the catalog: how far each one is, and which documents its index still lacks."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.documents import Found
from pipeline.catalog.schema import (
    ACTIVE,
    attempts,
    batches,
    documents,
    failures,
    indexes,
    jobs,
    reindexes,
    shadows,
    versions,
)
from pipeline.errors import UnknownId

__all__ = [
    "OPEN",
    "Lack",
    "Options",
    "Reindex",
    "busy",
    "change",
    "create",
    "dropping",
    "enter",
    "failed_in",
    "forgive",
    "get",
    "held",
    "in_flight",
    "is_cancelled",
    "is_still",
    "lacking",
    "lacks",
    "newest",
    "open_ones",
    "wanted",
]

OPEN = ("building", "gating", "switching", "refused", "soaking", "rolling_back")
"""States in which something may still happen, in the order of their course; the others are ends."""

Kind = Literal["missing", "active", "failed"]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for.

    Which documents: below `path`, of `media_type`, last written before `before` (seconds since 1970), read by this
    version of the `extractor`, failed with this `code`; None means any.
    `per_minute` documents at most are begun, None for as many as there is room for. `fed_at` is when the last were.
    """

    re_extract: bool = False
    allow_failed: bool = False
    priority: int = 1
    per_minute: int | None = None
    path: str | None = None
    media_type: str | None = None
    before: float | None = None
    extractor: str | None = None
    code: str | None = None
    soak_s: float = 0.0
    fed_at: float = 0.0

    @property
    def scoped(self) -> bool:
        """Whether only some documents are meant."""
        return any((self.path, self.media_type, self.before, self.extractor, self.code))


@dataclass(frozen=True, slots=True)
class Reindex:
    """A re-index; `from_index` and `to_index` are the same where documents are done anew in their own index."""

    id: str
    job_id: str
    collection: str
    from_index: str
    to_index: str
    state: str
    paused: bool
    options: Options
    cursor: str | None
    fed: int
    report: dict[str, Any] | None
    message: str | None
    created_at: float
    entered_at: float
    soak_until: float | None
    finished_at: float | None

    @property
    def in_place(self) -> bool:
        """Whether the documents are done anew in their own index."""
        return self.from_index == self.to_index


@dataclass(frozen=True, slots=True)
class Lack:
    """A document that an index lacks, or holds with another content than readers see."""

    document_id: str
    version_id: str
    found: Found
    workflow: str
    extraction: str


def create(connection: Connection, job_id: str, collection: str, pair: tuple[str, str], options: Options) -> str:
    """Record a re-index that begins to build. `pair`: the index that is read now, and the one to build.

    Returns:
        Its id.
    """
    identity, now = str(uuid.uuid4()), time.time()
    row = {
        "id": identity,
        "job_id": job_id,
        "collection": collection,
        "from_index": pair[0],
        "to_index": pair[1],
        "state": "building",
        "paused": False,
        "options": asdict(options),
        "fed": 0,
        "created_at": now,
        "entered_at": now,
    }
    connection.execute(reindexes.insert().values(row))
    return identity


def get(connection: Connection, identity: str) -> Reindex:
    """A re-index by its id. Raises UnknownId."""
    row = connection.execute(sa.select(reindexes).where(reindexes.c.id == identity)).one_or_none()
    if row is None:
        raise UnknownId(f"There is no re-index {identity}.")
    return _reindex(row)


def newest(connection: Connection, collection: str) -> Reindex | None:
    """The last re-index of a collection, None if there never was one."""
    query = sa.select(reindexes).where(reindexes.c.collection == collection).order_by(reindexes.c.created_at.desc())
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else _reindex(row)


def open_ones(connection: Connection) -> list[Reindex]:
    """Every re-index in which something may still happen, oldest first."""
    query = sa.select(reindexes).where(reindexes.c.state.in_(OPEN)).order_by(reindexes.c.created_at)
    return [_reindex(row) for row in connection.execute(query)]


def enter(connection: Connection, identity: str, state: str, message: str | None = None, **values: Any) -> None:
    """Go on to a state."""
    now = time.time()
    ended = {} if state in OPEN else {"finished_at": now}
    told = {"state": state, "entered_at": now, "message": message, **ended, **values}
    connection.execute(reindexes.update().where(reindexes.c.id == identity).values(told))


def change(connection: Connection, identity: str, **values: Any) -> None:
    """Write these columns; the state stays."""
    connection.execute(reindexes.update().where(reindexes.c.id == identity).values(values))


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


def forgive(connection: Connection, one: Reindex) -> None:
    """What failed in the new index may be tried again."""
    failed = sa.select(attempts.c.id).where(attempts.c.job_id == one.job_id, attempts.c.state == "failed")
    here = (shadows.c.index_name == one.to_index, shadows.c.attempt_id.in_(failed))
    connection.execute(shadows.update().where(*here).values(attempt_id=None))


def failed_in(connection: Connection, one: Reindex, index: str, limit: int = 100) -> list[dict[str, str]]:
    """Documents that the index lacks because they failed there: source, code and message of the first ones."""
    query = _lacking(one.collection, index).where(_kind() == "failed")
    query = query.add_columns(attempts.c.code, attempts.c.message).order_by(documents.c.source).limit(limit)
    return [
        {"source": row.source, "code": row.code or "", "message": row.message or ""}
        for row in connection.execute(query)
    ]


def in_flight(connection: Connection, index: str) -> int:
    """Runs over documents in the live index whose batch is admitted and not done."""
    query = (
        sa.select(sa.func.count())
        .select_from(attempts)
        .join(documents, documents.c.attempt_id == attempts.c.id)
        .join(versions, versions.c.id == attempts.c.version_id)
        .join(batches, batches.c.id == attempts.c.batch_id)
        .where(attempts.c.state.in_(ACTIVE), versions.c.index_name == index, batches.c.state == "active")
    )
    return connection.scalar(query) or 0


def held(connection: Connection, index: str) -> int:
    """Documents that stand in an index beside the live one."""
    query = sa.select(sa.func.count()).where(shadows.c.index_name == index, shadows.c.live_version_id.is_not(None))
    return connection.scalar(query) or 0


def busy(connection: Connection, job_id: str) -> int:
    """Runs of a re-index that have not ended."""
    query = sa.select(sa.func.count()).where(attempts.c.job_id == job_id, attempts.c.state.in_(ACTIVE))
    return connection.scalar(query) or 0


def is_cancelled(connection: Connection, job_id: str) -> bool:
    """Whether somebody cancelled the job of a re-index."""
    return connection.scalar(sa.select(jobs.c.cancelled_at).where(jobs.c.id == job_id)) is not None


def dropping(connection: Connection) -> list[tuple[str, float]]:
    """Indexes on their way out, and since when."""
    rows = connection.execute(sa.select(indexes.c.name, indexes.c.dropped_at).where(indexes.c.role == "dropping"))
    return [(row.name, row.dropped_at) for row in rows]


LIVE = versions.alias("live")
HELD = versions.alias("held")
TRIED = versions.alias("tried")


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


def _reindex(row: sa.Row[Any]) -> Reindex:
    return Reindex(**{**row._mapping, "options": Options(**row.options)})
