"""The documents of a report row by row, read some at a time: a job may have any number of them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempt_errors, attempts, documents, events, submissions, versions
from pipeline.catalog.work.daily_metrics import is_reindex
from pipeline.catalog.work.report_scope import Scope

__all__ = ["iterate_documents", "iterate_failures"]

ROWS_AT_ONCE = 1000

Rows = Generator[dict[str, Any], None, None]

error = attempt_errors.alias()
ERROR = (error.c.hint, error.c.stage, error.c.worker)
"""Of the newest error of a document; null where it is not kept any more."""


def iterate_documents(connection: Connection, scope: Scope, limit: int | None = None) -> Rows:
    """Every document of a job by its source; of a span those that were completed and then those that failed, by time.

    Rows have `source`, `state`, `media_type`, `bytes`, `pages`, `pages_ocr`, `ocr_confidence`, `chunks`, `seconds`
    (from the first start to the end), `ended_at`, and of those that failed `code`, `message`, `hint`, `stage` and
    `worker`. There are `limit` of each of the two kinds of a span at most. Close the generator if it is left early.
    """
    if scope.job_id is not None:
        yield from _read(connection, _of_job(scope, [scope.submitted()]), limit)
        return
    completed = (
        sa.select(documents.c.source, attempts.c.state, *_facts(attempts.c.size), *_no_error())
        .select_from(_with_versions(attempts).join(documents, documents.c.id == attempts.c.document_id))
        .where(*scope.attempts_in("completed"))
        .order_by(attempts.c.finished_at, attempts.c.id)
    )
    yield from _read(connection, completed, limit)
    yield from iterate_failures(connection, scope, limit)


def iterate_failures(connection: Connection, scope: Scope, limit: int | None = None) -> Rows:
    """The documents that failed, `limit` at most, as `iterate_documents` has them."""
    if scope.job_id is not None:
        return _read(connection, _of_job(scope, [scope.submitted(), submissions.c.outcome == "failed"]), limit)
    code, message = (events.c.data[name].as_string() for name in ("code", "message"))
    nothing = [sa.null().label(name) for name in ("media_type", "bytes", "pages", "pages_ocr", "ocr_confidence")]
    columns = (*nothing, sa.null().label("chunks"), sa.null().label("seconds"), events.c.at.label("ended_at"))
    failure = (code.label("code"), message.label("message"), *ERROR)
    tables = events.outerjoin(documents, documents.c.id == events.c.document_id)
    query = (
        sa.select(documents.c.source, sa.literal("failed").label("state"), *columns, *failure)
        .select_from(_with_error(tables, events, code))
        .where(events.c.kind == "document.failed", ~is_reindex(events.c.job_id))
        .where(events.c.at >= scope.since, events.c.at < scope.until)
        .order_by(events.c.at, events.c.id)
    )
    return _read(connection, query, limit)


def _of_job(scope: Scope, where: list[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    state = sa.func.coalesce(submissions.c.outcome, attempts.c.state, "queued").label("state")
    tables = _with_versions(submissions.outerjoin(attempts, attempts.c.id == submissions.c.attempt_id))
    failure = (submissions.c.code, submissions.c.message, *ERROR)
    query = sa.select(submissions.c.source, state, *_facts(submissions.c.size), *failure).where(*where)
    query = query.select_from(_with_error(tables, submissions, submissions.c.code))
    return query.order_by(submissions.c.source, submissions.c.document_id)


def _with_versions(tables: sa.FromClause) -> sa.Join:
    return tables.outerjoin(versions, versions.c.id == attempts.c.version_id)


def _facts(size: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
    """What is known of a document: of one that is not completed there are no pages and no chunks."""
    is_completed = attempts.c.state == "completed"
    pages = versions.c.pages_text + versions.c.pages_ocr + versions.c.pages_empty + versions.c.pages_failed
    of_completed = {
        "pages": pages,
        "pages_ocr": versions.c.pages_ocr,
        "ocr_confidence": versions.c.ocr_confidence,
        "chunks": versions.c.chunks,
    }
    return [
        versions.c.media_type,
        size.label("bytes"),
        *(sa.case((is_completed, value)).label(name) for name, value in of_completed.items()),
        (attempts.c.finished_at - attempts.c.started_at).label("seconds"),
        attempts.c.finished_at.label("ended_at"),
    ]


def _with_error(tables: sa.FromClause, failed: sa.Table, code: sa.ColumnElement[Any]) -> sa.Join:
    """The tables joined with the newest error of the document that has this code; `failed` has the document's id."""
    of_document = (attempt_errors.c.document_id == failed.c.document_id, attempt_errors.c.code == code)
    newest = sa.select(attempt_errors.c.id).where(*of_document, attempt_errors.c.kind == "failed")
    newest_id = newest.order_by(attempt_errors.c.id.desc()).limit(1).correlate(failed).scalar_subquery()
    return tables.outerjoin(error, error.c.id == newest_id)


def _no_error() -> list[sa.ColumnElement[Any]]:
    return [sa.null().label(name) for name in ("code", "message", "hint", "stage", "worker")]


def _read(connection: Connection, query: sa.Select[Any], limit: int | None) -> Rows:
    with connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query.limit(limit)) as rows:
        for row in rows.mappings():
            yield dict(row)
