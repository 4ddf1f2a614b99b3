"""Quarantine: documents whose file ended too many attempts are left alone until their content changes."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import failures
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord, live_and_running, newest
from pipeline.catalog.work.failures import QUARANTINE_HINT, Failure
from pipeline.errors import Quarantined
from pipeline.errors.problem import problem_of

__all__ = ["leave_alone"]


def leave_alone(connection: Connection, job_id: str, collection: str, file: FileRecord) -> tuple[str, Failure] | None:
    """Record that a file of a job is not tried, as its document is in quarantine; its failure stays as it is.

    Returns:
        The document's id, and why the file is not taken. None if the file is to be tried: it holds something else than
        what failed, or it is under way.
    """
    where = (failures.c.collection == collection, failures.c.source == file.source)
    failure = connection.execute(sa.select(failures).where(*where)).one_or_none()
    if failure is None:
        return None
    version = newest(connection, failure.document_id)
    _, running = live_and_running(connection, failure.document_id)
    if running is not None or version is None or version.content_sha256 != file.content_sha256:
        return None
    error = Quarantined(
        f"It is in quarantine after {failure.fatal_attempts} attempts, the last of which failed as {failure.code}.",
        f"{QUARANTINE_HINT} {failure.document_id} --force",
    )
    cause = Failure(failure.stage, problem_of(error))
    records.refuse(connection, job_id, failure.document_id, file, cause.problem)
    return failure.document_id, cause
