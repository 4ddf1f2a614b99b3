"""Recording files as documents with attempts, and files that were refused."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import (
    documents,
    jobs,
    storable,
    submissions,
)
from pipeline.catalog.database.schema import failures as failures_table
from pipeline.catalog.documents import tagging
from pipeline.catalog.documents.lookup import document_id
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
from pipeline.catalog.work import events, failures
from pipeline.catalog.work.attempts import cancel
from pipeline.catalog.work.failures import Failure
from pipeline.errors.problem import Problem

__all__ = [
    "Recorded",
    "add_submission",
    "cancel_current",
    "record",
    "reject",
    "set_current_attempt",
    "unchanged_failure",
]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of recording a file: a new attempt, an attempt already running, or nothing to do."""

    document_id: str
    attempt_id: str | None
    outcome: Literal["new", "joined", "unchanged"]


def record(
    connection: Connection,
    job_id: str,
    recipe: str,
    found: FileRecord,
    place: Placement | None = None,
    *,
    is_new: bool = False,
) -> Recorded:
    """Record one file of a job.

    A live version with the same content and recipe makes it `unchanged`, unless OCR failed on a page of it; a running
    attempt for the same is joined; anything else becomes a new version with a new attempt, which replaces a running
    one.

    Args:
        connection: a writing transaction.
        job_id: the job.
        recipe: what besides the content decides the points.
        found: the file.
        place: where its points go; by default the collection's first index.
        is_new: it is not among the `known` ones, so that nothing has to be asked.
    """
    if place is None or not place.collection:
        job = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).one()
        place = replace(place or Placement(first_name(job.collection), job.workflow), collection=job.collection)
    identity, is_there = document_id(place.collection, found.source), False
    if not is_new:
        identity, is_there = _identify(connection, place.collection, found.source)
    if not is_there:
        # Most files of a first ingest come this way.
        version_id = add_version(connection, identity, recipe, found, place, None)
        attempt_id = add_attempt(
            connection, job_id, identity, version_id, number=1, size=found.size, batch_id=place.batch_id
        )
        _add(connection, identity, place.collection, found, attempt_id)
        result = Recorded(identity, attempt_id, "new")
        add_submission(connection, job_id, found, result, again=False)
        return result
    tagging.set_tags(connection, identity, found.tags)
    live, running = live_and_running(connection, identity)
    if live is not None and matches(live, found, recipe) and not live["pages_unread"]:
        cancel_current(connection, identity)
        # Whatever went wrong with another content, this one is there and searchable.
        failures.delete_of_documents(connection, [identity])
        point_at_completed(connection, identity, live["id"])
        result = Recorded(identity, None, "unchanged")
    elif running is not None and matches(running, found, recipe):
        result = Recorded(identity, running["attempt_id"], "joined")
    else:
        cancel_current(connection, identity)
        attempt_id = new_attempt(connection, job_id, identity, recipe, found, place)
        set_current_attempt(connection, identity, attempt_id)
        result = Recorded(identity, attempt_id, "new")
    add_submission(connection, job_id, found, result)
    return result


def unchanged_failure(
    connection: Connection, collection: str, recipe: str, reading: str, found: FileRecord
) -> Failure | None:
    """Why this content must fail: it did, read in the same way, and nothing about it has changed since."""
    failure = connection.execute(
        sa.select(failures_table).where(
            failures_table.c.collection == collection,
            failures_table.c.source == found.source,
            failures_table.c.reading == reading,
        )
    ).one_or_none()
    if failure is None:
        return None
    version = newest(connection, failure.document_id)
    _, running = live_and_running(connection, failure.document_id)
    if running is not None or version is None or not matches(version._mapping, found, recipe):
        return None
    problem = Problem(failure.code, failure.message, failure.hint, failure.transient)
    return Failure(failure.stage, problem, failure.reading)


def reject(connection: Connection, job_id: str, source: str, size: int, cause: Failure, collection: str = "") -> str:
    """Record a file that intake did not take, or that is known to fail; by default in the job's collection.

    Returns:
        Its document's id.
    """
    if not collection:
        collection = connection.execute(sa.select(jobs.c.collection).where(jobs.c.id == job_id)).scalar_one()
    identity, is_there = _identify(connection, collection, source)
    if not is_there:
        _add(connection, identity, collection, FileRecord(source, "", size, 0.0), None)
    told = {"code": cause.problem.code, "message": cause.problem.message}
    row = {"job_id": job_id, "document_id": identity, "source": source, "size": size, "outcome": "failed", **told}
    connection.execute(
        submissions.delete().where(submissions.c.job_id == job_id, submissions.c.document_id == identity)
    )
    connection.execute(submissions.insert(), row)
    # It is there, be it as a failure, even if it was deleted before.
    connection.execute(documents.update().where(documents.c.id == identity).values(deleted_at=None, undo_until=None))
    failures.record(connection, job_id, identity, cause)
    events.add(connection, "document.failed", [(job_id, identity)], told)
    return identity


def cancel_current(connection: Connection, identity: str) -> None:
    """End the run over a document in the live index, if there is one, for another that takes its place."""
    cancel(connection, second_index.main_attempts([identity]), code="superseded")


def set_current_attempt(connection: Connection, identity: str, attempt_id: str) -> None:
    """Make a run the current one of its document."""
    connection.execute(
        documents.update()
        .where(documents.c.id == identity)
        .values(attempt_id=attempt_id, deleted_at=None, undo_until=None, updated_at=time.time())
    )


def _identify(connection: Connection, collection: str, source: str) -> tuple[str, bool]:
    """The id of the document of this source, and whether it is there."""
    identity = document_id(collection, source)
    here = sa.and_(documents.c.collection == collection, documents.c.source == source, documents.c.deleted_at.is_(None))
    rows = connection.execute(
        sa.select(documents.c.id, documents.c.source).where(sa.or_(here, documents.c.id == identity)).with_for_update()
    ).all()
    same = [row.id for row in rows if row.source == storable(source)]
    if same:
        # The one that is there, if a deleted one has the same source.
        return next((name for name in same if name != identity), identity), True
    # If any, the document that got this id was renamed.
    return str(uuid.uuid4()) if rows else identity, False


def _add(connection: Connection, identity: str, collection: str, found: FileRecord, attempt_id: str | None) -> None:
    now = time.time()
    row = {
        "id": identity,
        "collection": collection,
        "source": found.source,
        "tags": list(found.tags or ()),
        "attempt_id": attempt_id,
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(documents.insert(), row)


def add_submission(
    connection: Connection, job_id: str, found: FileRecord, result: Recorded, *, again: bool = True
) -> None:
    """Record which document a job submitted, and its outcome there."""
    if again:
        connection.execute(
            submissions.delete().where(submissions.c.job_id == job_id, submissions.c.document_id == result.document_id)
        )
    row = {
        "job_id": job_id,
        "document_id": result.document_id,
        "source": found.source,
        "size": found.size,
        "attempt_id": result.attempt_id,
        "outcome": "unchanged" if result.outcome == "unchanged" else None,
    }
    connection.execute(submissions.insert(), row)
    if result.outcome == "unchanged":
        events.add(connection, "document.unchanged", [(job_id, result.document_id)])
