"""Long lists in pages: a page ends at the id of its last row, so that no row is missed or listed twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, collections, documents, failures, jobs, submissions, versions
from pipeline.catalog.index import indexes
from pipeline.catalog.work.failures import has_failure, hint_column
from pipeline.errors import UnknownId
from pipeline.names import ACTIVE

__all__ = ["Page", "list_collections", "list_documents"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: at most `limit` rows, only of a state or code."""

    limit: int = 100
    state: str | None = None
    code: str | None = None


def list_documents(
    connection: Connection, job_id: str, page: Page, after: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """List documents of a job in the order of their ids, those after the id `after`.

    Returns:
        The rows, and the id after which the next page begins; None when this is the last page.

    Raises:
        UnknownId: there is no such job.
    """
    if connection.scalar(sa.select(jobs.c.id).where(jobs.c.id == job_id)) is None:
        raise UnknownId(f"There is no job {job_id}.")
    query = _documents_of_job(job_id, page)
    if after is not None:
        query = query.where(submissions.c.document_id > after)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    more = len(rows) > page.limit
    return rows[: page.limit], rows[page.limit - 1]["document_id"] if more else None


def _documents_of_job(job_id: str, page: Page) -> sa.Select[Any]:
    state = sa.case(
        (submissions.c.outcome.is_not(None), submissions.c.outcome),
        (attempts.c.state.in_(ACTIVE), attempts.c.state),
        else_="queued",
    )
    names = ("document_id", "source", "size", "code", "message")
    query = (
        sa.select(*(submissions.c[name] for name in names), state.label("state"), hint_column())
        .outerjoin(attempts, attempts.c.id == submissions.c.attempt_id)
        .outerjoin(failures, has_failure())
        .where(submissions.c.job_id == job_id)
        .order_by(submissions.c.document_id)
        .limit(page.limit + 1)
    )
    for column, value in ((state, page.state), (submissions.c.code, page.code)):
        if value is not None:
            query = query.where(column == value)
    return query


def list_collections(connection: Connection) -> list[dict[str, Any]]:
    """List every collection: name, model, dimensions, analyser, and how many live documents and chunks it has."""
    counts = {
        row.collection: (row.documents, int(row.chunks or 0))
        for row in connection.execute(
            sa.select(
                documents.c.collection,
                sa.func.count().label("documents"),
                sa.func.sum(versions.c.chunks).label("chunks"),
            )
            .join(versions, versions.c.id == documents.c.live_version_id)
            .group_by(documents.c.collection)
        )
    }
    analysers = indexes.analysers(connection)
    rows = connection.execute(sa.select(collections).order_by(collections.c.name))
    return [
        {
            "name": row.name,
            "model": row.fingerprint["model"],
            "dim": row.fingerprint["dim"],
            "analyser": analysers.get(row.name, 1),
            "documents": counts.get(row.name, (0, 0))[0],
            "chunks": counts.get(row.name, (0, 0))[1],
        }
        for row in rows
    ]
