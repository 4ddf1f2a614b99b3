"""Re-indexes in the catalog: their options, and the state of each."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import (
    attempts,
    batches,
    documents,
    indexes,
    reindexes,
    shadows,
    versions,
)
from pipeline.errors import UnknownId
from pipeline.names import ACTIVE

__all__ = [
    "OPEN",
    "Options",
    "Reindex",
    "count_in_flight",
    "count_running",
    "create",
    "enter_state",
    "get",
    "indexes_to_drop",
    "list_open",
    "newest",
    "retry_failed",
    "sources_running_since",
    "update",
]

OPEN = ("building", "gating", "switching", "refused", "soaking", "rolling_back", "switching_back")
"""States from which a re-index goes on, in their order; the others are final."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a re-index, and its progress that outlives a restart.

    Which documents: below `path`, of one of `media_types`, last written before `before` (seconds since 1970), read by
    this version of the `extractor`, failed with this `code`; None means any. `outdated`: made by earlier versions.
    `per_minute` documents at most are begun while it builds, None for no limit; `fed_at` is when the last were begun.
    `allow_failed`: readers are switched although documents failed in the new index; `allow_lost`: they are switched
    back although documents failed in the old one. The switch has been waiting since `near_since`, and has let other
    jobs go first `gave_way` times.
    """

    re_extract: bool = False
    allow_failed: bool = False
    allow_lost: bool = False
    priority: int = 1
    per_minute: int | None = None
    path: str | None = None
    media_types: Sequence[str] | None = None
    before: float | None = None
    extractor: str | None = None
    code: str | None = None
    outdated: bool = False
    soak_s: float = 0.0
    fed_at: float = 0.0
    near_since: float = 0.0
    gave_way: int = 0

    @property
    def scoped(self) -> bool:
        """Whether only some of the documents are selected."""
        filters = (self.path, self.media_types, self.before, self.extractor, self.code)
        return self.outdated or any(filter_ is not None for filter_ in filters)


@dataclass(frozen=True, slots=True)
class Reindex:
    """A re-index; `from_index` and `to_index` are the same where documents are done anew in their own index.

    `stumbles` counts the failed steps in a row; the next step is not before `again_at`.
    """

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
    stumbles: int
    again_at: float | None
    created_at: float
    entered_at: float
    soak_until: float | None
    finished_at: float | None

    @property
    def in_place(self) -> bool:
        """Whether the documents are done anew in their own index."""
        return self.from_index == self.to_index


def create(connection: Connection, job_id: str, collection: str, pair: tuple[str, str], options: Options) -> str:
    """Record a re-index that begins to build. `pair`: the index that readers see now, and the index to build.

    Returns:
        Its id.
    """
    reindex_id, now = str(uuid.uuid4()), time.time()
    row = {
        "id": reindex_id,
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
    return reindex_id


def get(connection: Connection, reindex_id: str) -> Reindex:
    """A re-index by its id. Raises UnknownId."""
    row = connection.execute(sa.select(reindexes).where(reindexes.c.id == reindex_id)).one_or_none()
    if row is None:
        raise UnknownId(f"There is no re-index {reindex_id}.")
    return _reindex(row)


def newest(connection: Connection, collection: str) -> Reindex | None:
    """The last re-index of a collection; None if there never was a re-index."""
    query = sa.select(reindexes).where(reindexes.c.collection == collection).order_by(reindexes.c.created_at.desc())
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else _reindex(row)


def list_open(connection: Connection) -> list[Reindex]:
    """Every re-index that has not ended, oldest first."""
    query = sa.select(reindexes).where(reindexes.c.state.in_(OPEN)).order_by(reindexes.c.created_at)
    return [_reindex(row) for row in connection.execute(query)]


def enter_state(connection: Connection, reindex_id: str, state: str, message: str | None = None, **values: Any) -> None:
    """Move a re-index to a state, and set these columns too."""
    now = time.time()
    ended = {} if state in OPEN else {"finished_at": now}
    no_errors = {"stumbles": 0, "again_at": None}
    columns = {"state": state, "entered_at": now, "message": message, **no_errors, **ended, **values}
    connection.execute(reindexes.update().where(reindexes.c.id == reindex_id).values(columns))


def update(connection: Connection, reindex_id: str, **values: Any) -> None:
    """Set columns of a re-index; its state stays."""
    connection.execute(reindexes.update().where(reindexes.c.id == reindex_id).values(values))


def retry_failed(connection: Connection, reindex: Reindex, index: str) -> None:
    """Let documents be tried again that failed in the index beside the live one."""
    failed = sa.select(attempts.c.id).where(attempts.c.job_id == reindex.job_id, attempts.c.state == "failed")
    has_failed = (shadows.c.index_name == index, shadows.c.attempt_id.in_(failed))
    connection.execute(shadows.update().where(*has_failed).values(attempt_id=None))


def count_in_flight(connection: Connection, index: str) -> int:
    """Count attempts over documents in the live index whose batch is admitted and not done."""
    query = (
        sa.select(sa.func.count())
        .select_from(attempts)
        .join(documents, documents.c.attempt_id == attempts.c.id)
        .join(versions, versions.c.id == attempts.c.version_id)
        .join(batches, batches.c.id == attempts.c.batch_id)
        .where(attempts.c.state.in_(ACTIVE), versions.c.index_name == index, batches.c.state == "active")
    )
    return connection.scalar(query) or 0


def sources_running_since(connection: Connection, index: str, job_id: str, before: float) -> list[str]:
    """Sources of attempts running since before this time, in the live index or of a re-index, the oldest first."""
    is_in_index = sa.and_(documents.c.attempt_id == attempts.c.id, versions.c.index_name == index)
    query = (
        sa.select(documents.c.source)
        .select_from(attempts)
        .join(documents, documents.c.id == attempts.c.document_id)
        .join(versions, versions.c.id == attempts.c.version_id)
        .join(batches, batches.c.id == attempts.c.batch_id)
        .where(attempts.c.state.in_(ACTIVE), attempts.c.started_at < before, batches.c.state == "active")
        .where(sa.or_(is_in_index, attempts.c.job_id == job_id))
        .order_by(attempts.c.started_at)
    )
    return list(connection.scalars(query))


def count_running(connection: Connection, job_id: str) -> int:
    """Count the attempts of a re-index that have not ended."""
    query = sa.select(sa.func.count()).where(attempts.c.job_id == job_id, attempts.c.state.in_(ACTIVE))
    return connection.scalar(query) or 0


def indexes_to_drop(connection: Connection) -> list[tuple[str, float]]:
    """Indexes that are being dropped, and since when (seconds since 1970)."""
    rows = connection.execute(sa.select(indexes.c.name, indexes.c.dropped_at).where(indexes.c.role == "dropping"))
    return [(row.name, row.dropped_at) for row in rows]


def _reindex(row: sa.Row[Any]) -> Reindex:
    return Reindex(**{**row._mapping, "options": Options(**row.options)})
