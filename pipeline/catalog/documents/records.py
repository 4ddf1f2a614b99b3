"""Recording files as documents with attempts, and files that were refused."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import (
    documents,
    jobs,
    storable,
    submissions,
)
from pipeline.catalog.database.schema import failures as failures_table
from pipeline.catalog.documents import tagging
from pipeline.catalog.documents.lookup import derive_document_id
from pipeline.catalog.documents.versions import (
    FileRecord,
    Placement,
    add_attempt,
    add_version,
    live_and_running,
    matches,
    new_attempt,
    newest,
    point_at_completed,
)
from pipeline.catalog.index import second_index
from pipeline.catalog.index.indexes import first_name
from pipeline.catalog.work import attempt_errors, events, failures
from pipeline.catalog.work.attempts import cancel
from pipeline.catalog.work.failures import Failure
from pipeline.errors.problem import Problem

__all__ = [
    "Recorded",
    "add_submission",
    "add_submissions",
    "cancel_current",
    "done_of_job",
    "record",
    "refuse",
    "reject",
    "set_current_attempt",
    "unchanged_failure",
]


DONE = ("completed", "unchanged")
"""Outcomes that stay when a job's intake goes on after it broke off, and comes to the same content again."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording a file has led to: a new attempt, an attempt already running, or nothing to do."""

    document_id: str
    attempt_id: str | None
    outcome: Literal["new", "joined", "unchanged"]


def record(
    connection: Connection,
    job_id: str,
    recipe: str,
    file: FileRecord,
    placement: Placement | None = None,
    *,
    is_new: bool = False,
) -> Recorded:
    """Record one file of a job.

    A live version with the same content and recipe, or one of `placement.same`, makes it `unchanged`, unless OCR failed
    on a page of it or its points are gone (`placement.gone`); a running attempt for the same is joined; anything else
    becomes a new version with a new attempt, which replaces a running one.

    Args:
        connection: a writing transaction.
        job_id: the job.
        recipe: what besides the content decides the points.
        file: the file.
        placement: where its points go; by default the collection's first index.
        is_new: `possibly_known` has ruled the file out, so that the document is not looked up.
    """
    if placement is None or not placement.collection:
        placement = _placement_of_job(connection, job_id, placement)
    document_id, exists = derive_document_id(placement.collection, file.source), False
    if not is_new:
        document_id, exists = _identify(connection, placement.collection, file.source)
    if not exists:
        # Most files of a first ingest come this way.
        return _record_new(connection, job_id, document_id, recipe, file, placement)
    tagging.set_tags(connection, document_id, file.tags)
    result = _record_known(connection, job_id, document_id, recipe, file, placement)
    if result.outcome != "unchanged" or not done_of_job(connection, job_id, [document_id]):
        add_submission(connection, job_id, file, result)
    return result


def _placement_of_job(connection: Connection, job_id: str, placement: Placement | None) -> Placement:
    job = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).one()
    return replace(placement or Placement(first_name(job.collection), job.workflow), collection=job.collection)


def _record_new(
    connection: Connection, job_id: str, document_id: str, recipe: str, file: FileRecord, placement: Placement
) -> Recorded:
    version_id = add_version(connection, document_id, recipe, file, placement, None)
    attempt_id = add_attempt(
        connection, job_id, document_id, version_id, number=1, size=file.size, batch_id=placement.batch_id
    )
    _add(connection, document_id, placement.collection, file, attempt_id)
    result = Recorded(document_id, attempt_id, "new")
    add_submission(connection, job_id, file, result, again=False)
    return result


def _record_known(
    connection: Connection, job_id: str, document_id: str, recipe: str, file: FileRecord, placement: Placement
) -> Recorded:
    live, running = live_and_running(connection, document_id)
    is_there = live is not None and live["id"] not in placement.gone
    if live is not None and is_there and matches(live, file, recipe, placement.same) and not live["pages_unread"]:
        cancel_current(connection, [document_id])
        # Whatever went wrong with another content, this one is there and searchable.
        failures.delete_of_documents(connection, [document_id])
        point_at_completed(connection, [document_id])
        return Recorded(document_id, None, "unchanged")
    if running is not None and matches(running, file, recipe, placement.same):
        return Recorded(document_id, running["attempt_id"], "joined")
    cancel_current(connection, [document_id])
    attempt_id = new_attempt(connection, job_id, document_id, recipe, file, placement)
    set_current_attempt(connection, document_id, attempt_id)
    return Recorded(document_id, attempt_id, "new")


def unchanged_failure(
    connection: Connection, collection: str, recipe: str, reading: str, file: FileRecord
) -> Failure | None:
    """The failure of this content, read in the same way, if nothing has changed since; None if it may succeed now."""
    failure = connection.execute(
        sa.select(failures_table).where(
            failures_table.c.collection == collection,
            failures_table.c.source == file.source,
            failures_table.c.reading == reading,
        )
    ).one_or_none()
    if failure is None:
        return None
    version = newest(connection, failure.document_id)
    _, running = live_and_running(connection, failure.document_id)
    if running is not None or version is None or not matches(version._mapping, file, recipe):
        return None
    problem = Problem(failure.code, failure.message, failure.hint, failure.transient)
    return Failure(failure.stage, problem, failure.reading)


def reject(connection: Connection, job_id: str, source: str, size: int, cause: Failure, collection: str = "") -> str:
    """Record a file that intake refused, or that is known to fail; by default in the job's collection.

    Returns:
        Its document's id.
    """
    if not collection:
        collection = connection.execute(sa.select(jobs.c.collection).where(jobs.c.id == job_id)).scalar_one()
    document_id, exists = _identify(connection, collection, source)
    if not exists:
        _add(connection, document_id, collection, FileRecord(source, "", size, 0.0), None)
    refuse(connection, job_id, document_id, FileRecord(source, "", size, 0.0), cause.problem)
    # The document exists, be it as a failure, even if it was deleted before.
    connection.execute(documents.update().where(documents.c.id == document_id).values(deleted_at=None, undo_until=None))
    failures.record(connection, job_id, document_id, cause)
    attempt_errors.record_refusal(connection, job_id, document_id, cause)
    return document_id


def refuse(connection: Connection, job_id: str, document_id: str, file: FileRecord, problem: Problem) -> None:
    """Record that a job's file is not taken; what is known of its document stays as it is.

    If the document has failed in this job before, as its intake broke off and went on, there is no second event.
    """
    before = _outcome(connection, job_id, document_id)
    error = {"code": problem.code, "message": problem.message}
    row = {"job_id": job_id, "document_id": document_id, "source": file.source, "size": file.size, "outcome": "failed"}
    connection.execute(
        submissions.delete().where(submissions.c.job_id == job_id, submissions.c.document_id == document_id)
    )
    connection.execute(submissions.insert(), row | error)
    if before != "failed":
        events.add(connection, "document.failed", [(job_id, document_id)], error)


def done_of_job(connection: Connection, job_id: str, document_ids: Sequence[str]) -> set[str]:
    """Those of these documents that the job has done already, before its intake broke off and went on."""
    query = sa.select(submissions.c.document_id).where(
        submissions.c.job_id == job_id, submissions.c.outcome.in_(DONE), submissions.c.document_id.in_(document_ids)
    )
    return set(connection.scalars(query))


def _outcome(connection: Connection, job_id: str, document_id: str) -> str | None:
    """How a document has ended in a job; None if it has not, or the job did not submit it yet."""
    query = sa.select(submissions.c.outcome)
    outcome: str | None = connection.scalar(
        query.where(submissions.c.job_id == job_id, submissions.c.document_id == document_id)
    )
    return outcome


def cancel_current(connection: Connection, document_ids: Sequence[str]) -> None:
    """Cancel the running attempts of these documents in the live index: others replace them, or none is needed."""
    for group in split_list(document_ids):
        cancel(connection, second_index.main_attempts(group), code="superseded")


def set_current_attempt(connection: Connection, document_id: str, attempt_id: str) -> None:
    """Make an attempt the current one of its document."""
    connection.execute(
        documents.update()
        .where(documents.c.id == document_id)
        .values(attempt_id=attempt_id, deleted_at=None, undo_until=None, updated_at=time.time())
    )


def _identify(connection: Connection, collection: str, source: str) -> tuple[str, bool]:
    """The id of the document of this source, and whether the document exists."""
    document_id = derive_document_id(collection, source)
    has_source = sa.and_(
        documents.c.collection == collection, documents.c.source == source, documents.c.deleted_at.is_(None)
    )
    rows = connection.execute(
        sa.select(documents.c.id, documents.c.source)
        .where(sa.or_(has_source, documents.c.id == document_id))
        .with_for_update()
    ).all()
    same = [row.id for row in rows if row.source == storable(source)]
    if same:
        # The document that is not deleted, if a deleted one has the same source.
        return next((row_id for row_id in same if row_id != document_id), document_id), True
    # If any, the document that got this id was renamed.
    return str(uuid.uuid4()) if rows else document_id, False


def _add(connection: Connection, document_id: str, collection: str, file: FileRecord, attempt_id: str | None) -> None:
    now = time.time()
    row = {
        "id": document_id,
        "collection": collection,
        "source": file.source,
        "tags": list(file.tags or ()),
        "attempt_id": attempt_id,
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(documents.insert(), row)
    tagging.add_new(connection, document_id, file.tags or ())


def add_submission(
    connection: Connection, job_id: str, file: FileRecord, result: Recorded, *, again: bool = True
) -> None:
    """Record which document a job submitted, and its outcome there; `again`: the job may have submitted it before."""
    add_submissions(connection, job_id, [(file, result)], again=again)


def add_submissions(
    connection: Connection, job_id: str, results: Sequence[tuple[FileRecord, Recorded]], *, again: bool = True
) -> None:
    """Record which documents a job submitted, each once, as `add_submission` does."""
    for group in split_list([result.document_id for _, result in results] if again else ()):
        connection.execute(
            submissions.delete().where(submissions.c.job_id == job_id, submissions.c.document_id.in_(group))
        )
    rows = [
        {
            "job_id": job_id,
            "document_id": result.document_id,
            "source": file.source,
            "size": file.size,
            "attempt_id": result.attempt_id,
            "outcome": "unchanged" if result.outcome == "unchanged" else None,
        }
        for file, result in results
    ]
    if rows:
        connection.execute(submissions.insert(), rows)
    unchanged = [(job_id, result.document_id) for _, result in results if result.outcome == "unchanged"]
    events.add(connection, "document.unchanged", unchanged)
