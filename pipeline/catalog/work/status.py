"""Status as users read it: of documents and tasks, with totals."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import (
    attempts,
    batches,
    documents,
    events,
    failures,
    is_outdated,
    jobs,
    tasks,
    versions,
)
from pipeline.errors import UnknownId
from pipeline.names import ACTIVE
from pipeline.results import ActiveTask, Activity, DocumentStatus, Step, TaskStatus, WatchedFolder, iso

__all__ = [
    "active_tasks",
    "count_batches",
    "document_status",
    "job_of_task",
    "resolve_id",
    "task_status",
    "totals",
    "watched_folder",
    "worker_of",
]

SHORTEST_PREFIX = 6


def resolve_id(connection: Connection, prefix: str) -> tuple[str, str]:
    """Find the job, document or task with this id; a prefix of the id is enough if it is unique.

    Returns:
        "job", "document" or "task", and the whole id.

    Raises:
        UnknownId: no id begins so, or more than one.
    """
    matches: list[tuple[str, str]] = []
    for kind, column in (("job", jobs.c.id), ("document", documents.c.id), ("task", tasks.c.id)):
        exact = connection.scalar(sa.select(column).where(column == prefix))
        if exact is not None:
            return kind, exact
        if len(prefix) >= SHORTEST_PREFIX:
            query = sa.select(column).where(column.startswith(prefix, autoescape=True)).limit(2)
            matches += [(kind, match) for match in connection.scalars(query)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownId(f"The id {prefix} is not unique.", "Write more of it.")
    if len(prefix) < SHORTEST_PREFIX:
        raise UnknownId(f"Nothing has the id {prefix!r}.", f"Write at least {SHORTEST_PREFIX} characters of an id.")
    raise UnknownId(f"Nothing has the id {prefix}.")


def document_status(connection: Connection, document_id: str, alive: Collection[str]) -> DocumentStatus:
    """The status of a document; `alive`: the runners that live. Raises UnknownId."""
    document = connection.execute(sa.select(documents).where(documents.c.id == document_id)).one_or_none()
    if document is None:
        raise UnknownId(f"There is no document {document_id}.")
    attempt = _newest_attempt(connection, document)
    version_id = _version_of(document, attempt)
    query = sa.select(versions, is_outdated().label("outdated")).where(versions.c.id == version_id)
    version = connection.execute(query).one_or_none()
    failure = connection.execute(sa.select(failures).where(failures.c.document_id == document_id))
    cause = failure.one_or_none()
    return DocumentStatus(
        id=document.id,
        collection=document.collection,
        source=document.source,
        tags=document.tags,
        state=_state(document, attempt, cause),
        activity=_activity_of_attempt(connection, attempt, alive),
        searchable=document.live_version_id is not None,
        attempt=attempt.number if attempt is not None else 0,
        job_id=attempt.job_id if attempt is not None else (cause.job_id if cause is not None else None),
        version_id=version_id,
        code=cause.code if cause is not None else None,
        message=cause.message if cause is not None else None,
        hint=cause.hint if cause is not None else None,
        timeline=_timeline(connection, document_id),
        **_version_facts(version),
    )


def task_status(connection: Connection, task_id: str, alive: Collection[str]) -> TaskStatus:
    """The status of a task; `alive`: the runners that live. Raises UnknownId."""
    row = connection.execute(
        sa.select(tasks, batches.c.job_id).join(batches, batches.c.id == tasks.c.batch_id).where(tasks.c.id == task_id)
    ).one_or_none()
    if row is None:
        raise UnknownId(f"There is no task {task_id}.")
    return TaskStatus(
        id=row.id,
        stage=row.stage,
        part=row.part,
        state=row.state,
        activity=_activity_of_task(row, alive),
        job_id=row.job_id,
        batch_id=row.batch_id,
        worker=worker_of(row.runner),
        starts=row.starts,
        published_at=iso(row.published_at),
        started_at=iso(row.started_at),
        finished_at=iso(row.finished_at),
    )


def job_of_task(connection: Connection, task_id: str) -> str:
    """The job that a task belongs to."""
    query = sa.select(batches.c.job_id).join(tasks, tasks.c.batch_id == batches.c.id).where(tasks.c.id == task_id)
    return str(connection.execute(query).scalar_one())


def active_tasks(connection: Connection, alive: Collection[str]) -> list[ActiveTask]:
    """Tasks that living workers are doing."""
    rows = connection.execute(
        sa.select(tasks, batches.c.job_id)
        .join(batches, batches.c.id == tasks.c.batch_id)
        .where(tasks.c.state == "running", tasks.c.runner.in_(alive))
        .order_by(tasks.c.started_at)
    )
    now = time.time()
    return [
        ActiveTask(
            id=row.id,
            stage=row.stage,
            part=row.part,
            job_id=row.job_id,
            worker=worker_of(row.runner) or "",
            running_s=round(now - row.started_at, 3),
        )
        for row in rows
    ]


def count_batches(connection: Connection, job_id: str) -> tuple[int, int]:
    """Batches of a job: (done, all)."""
    rows = connection.execute(
        sa.select(batches.c.state, sa.func.count()).where(batches.c.job_id == job_id).group_by(batches.c.state)
    )
    numbers: dict[str, int] = {row[0]: row[1] for row in rows}
    return numbers.get("done", 0) + numbers.get("cancelled", 0), sum(numbers.values())


def totals(connection: Connection) -> tuple[dict[str, int], dict[str, int], int]:
    """Documents by state, chunks of live versions by collection, open failures."""
    state = sa.case(
        (documents.c.deleted_at.is_not(None), "deleted"),
        (attempts.c.state.is_not(None), attempts.c.state),
        else_="failed",
    )
    states = connection.execute(
        sa.select(state, sa.func.count())
        .select_from(documents.outerjoin(attempts, attempts.c.id == documents.c.attempt_id))
        .group_by(state)
    )
    chunks = connection.execute(
        sa.select(documents.c.collection, sa.func.sum(versions.c.chunks))
        .join(versions, versions.c.id == documents.c.live_version_id)
        .group_by(documents.c.collection)
    )
    failed = connection.scalar(sa.select(sa.func.count()).select_from(failures)) or 0
    by_collection = {row[0]: int(row[1]) for row in chunks}
    return {row[0]: row[1] for row in states}, by_collection, failed


def worker_of(runner: str | None) -> str | None:
    """The worker of a runner, which is one of its processes: `NODE/PROCESS`."""
    return runner and (runner.rpartition("/")[0] or runner)


def _newest_attempt(connection: Connection, document: Any) -> Any:
    query = sa.select(attempts).where(attempts.c.document_id == document.id)
    if document.attempt_id is not None:
        query = query.where(attempts.c.id == document.attempt_id)
    return connection.execute(query.order_by(attempts.c.number.desc()).limit(1)).one_or_none()


def _version_of(document: Any, attempt: Any) -> str | None:
    """The version that a status reports: the one being built, else the live one, else that of the last attempt."""
    if attempt is None or (attempt.state not in ACTIVE and document.live_version_id is not None):
        return cast(str | None, document.live_version_id)
    return str(attempt.version_id)


def _state(document: Any, attempt: Any, cause: Any) -> str:
    if document.deleted_at is not None:
        return "deleted"
    if attempt is not None and attempt.state in ACTIVE:
        return str(attempt.state)
    # What intake refused has no attempt.
    return "failed" if cause is not None or attempt is None else str(attempt.state)


def _activity_of_attempt(connection: Connection, attempt: Any, alive: Collection[str]) -> Activity:
    if attempt is None or attempt.state not in ACTIVE:
        return "ended"
    batch = connection.execute(sa.select(batches).where(batches.c.id == attempt.batch_id)).one_or_none()
    if batch is None or batch.state == "waiting":
        return "waiting"
    rows = connection.execute(sa.select(tasks).where(tasks.c.batch_id == batch.id, tasks.c.state != "done")).all()
    seen = {_activity_of_task(row, alive) for row in rows}
    order = ("working", "retrying", "recovering", "queued")
    return cast(Activity, next((activity for activity in order if activity in seen), "queued"))


def _activity_of_task(row: Any, alive: Collection[str]) -> Activity:
    if row.state == "done":
        return "ended"
    if row.state == "running":
        return "working" if row.runner in alive else "recovering"
    # A task that was started and is due again waits for its retry.
    return "retrying" if row.started_at is not None else "queued"


def _timeline(connection: Connection, document_id: str) -> list[Step]:
    rows = connection.execute(
        sa.select(events.c.kind, events.c.at).where(events.c.document_id == document_id).order_by(events.c.id)
    )
    return [Step(state=row.kind.removeprefix("document."), at=iso(row.at)) for row in rows]


def _version_facts(version: Any) -> dict[str, Any]:
    if version is None:
        names: dict[str, Any] = {"content_sha256": None, "media_type": None, "title": None, "warnings": []}
        numbers = ("size", "pages", "pages_text", "pages_ocr", "pages_empty", "pages_failed", "chunks")
        return {**names, **dict.fromkeys(numbers, 0)}
    return {
        "content_sha256": version.content_sha256,
        "media_type": version.media_type,
        "title": version.title,
        "ocr": version.ocr,
        "size": version.size,
        "pages": version.pages_text + version.pages_ocr + version.pages_empty + version.pages_failed,
        "pages_text": version.pages_text,
        "pages_ocr": version.pages_ocr,
        "pages_empty": version.pages_empty,
        "pages_failed": version.pages_failed,
        "chunks": version.chunks,
        "warnings": list(version.warnings or []),
        "page_warnings": list(version.page_warnings or []),
        "missing": list(version.missing or []) or _missing_pages(version),
        "outdated": version.live_at is not None and bool(version.outdated),
        "incomplete": version.live_at is not None and bool(version.parts_missing or version.pages_failed),
    }


def _missing_pages(version: Any) -> list[str]:
    """What is missing of a version that was read before this was kept: only the number of pages is known."""
    number = version.pages_failed
    return [f"{number} {'page' if number == 1 else 'pages'} could not be read."] if number else []


def watched_folder(row: Any) -> WatchedFolder:
    """The status of a watched folder, from its row."""
    names = ("root", "files", "mode", "held", "held_files", "trouble")
    fields = {name: getattr(row, name) for name in names}
    return WatchedFolder(**fields, held_since=iso(row.held_since), looked_at=iso(row.looked_at))
