"""Ends of batches in the catalog: every attempt ends with its batch, and originals that are not needed are released."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts as attempts_table
from pipeline.catalog.database.schema import jobs as jobs_table
from pipeline.catalog.documents import deletion, garbage, live_versions, records
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import (
    attempts,
    batch_documents,
    batches,
    document_groups,
    failure_list,
    jobs,
    orders,
    status,
)
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.errors.problem import Problem

CORRUPT = Failure("extract", Problem("corrupt", "It is broken.", "Mend it."), reading="as usual")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_catalog(sqlite_url(tmp_path))
    with writing(engine) as opened:
        yield opened
    engine.dispose()


def take(connection: Connection, job: str, content: str) -> Recorded:
    return records.record(connection, job, "recipe", file_record(content))


def file_record(content: str) -> FileRecord:
    return FileRecord("/a", content * 64, 100, 1.0)


def begin(connection: Connection, content: str) -> tuple[str, Recorded, str]:
    """Create a job with one document in one active batch."""
    job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0).id
    recorded = take(connection, job, content)
    jobs.finish_intake(connection, job)
    return job, recorded, batches.create(connection, job, 5, [str(recorded.attempt_id)], active=True)


def switch(connection: Connection, batch: str) -> None:
    live_versions.switch(
        connection, {attempt.document_id: attempt.version_id for attempt in batch_documents.running(connection, batch)}
    )


def finish(connection: Connection, batch: str) -> None:
    switch(connection, batch)
    attempts.complete(connection, [attempt.attempt_id for attempt in batch_documents.running(connection, batch)])
    batches.finish(connection, batch)


def fail(connection: Connection, recorded: Recorded) -> None:
    attempts.fail(connection, {str(recorded.attempt_id): CORRUPT})


def is_finished(connection: Connection, job: str) -> bool:
    return job not in jobs.unfinished(connection)


@pytest.mark.parametrize("event", ["ingested again", "deleted"])
def test_a_document_changed_between_switch_and_commit_is_completed(connection: Connection, event: str) -> None:
    job, recorded, batch = begin(connection, "a")
    switch(connection, batch)  # and here the worker dies
    if event == "deleted":
        deletion.tombstone(connection, [recorded.document_id])
    else:
        begin(connection, "b")
    assert batch_documents.running(connection, batch) == []

    attempts.end_batch(connection, batch)

    assert is_finished(connection, job)
    groups = document_groups.of_job(connection, job)
    assert document_groups.count(connection, job, groups)["outcomes"] == {"completed": 1}


def test_an_attempt_without_a_live_version_is_cancelled_with_its_batch(connection: Connection) -> None:
    job, _, batch = begin(connection, "a")
    attempts.end_batch(connection, batch)
    groups = document_groups.of_job(connection, job)
    assert document_groups.count(connection, job, groups)["outcomes"] == {"cancelled": 1}


def test_a_restored_file_is_completed_after_a_failed_version(connection: Connection) -> None:
    _, recorded, batch = begin(connection, "a")
    finish(connection, batch)
    _, bad, _ = begin(connection, "b")
    fail(connection, bad)
    begin(connection, "a")
    assert status.document_status(connection, recorded.document_id, set()).state == "completed"
    assert status.totals(connection)[0] == {"completed": 1}


def test_purging_a_failure_releases_the_copy_of_its_file(connection: Connection) -> None:
    _, bad, batch = begin(connection, "a")
    fail(connection, bad)
    assert garbage.needed_originals(connection) == [("a" * 64, "/a")]
    assert garbage.unneeded_originals(connection, batch) == []
    failure_list.purge(connection, FailureFilter())
    assert garbage.needed_originals(connection) == []
    assert garbage.unneeded_originals(connection, batch) == [("a" * 64, "/a")]


def test_a_file_that_is_known_to_fail_is_distinguished_from_one_that_may_not(connection: Connection) -> None:
    _, bad, _ = begin(connection, "a")
    fail(connection, bad)
    known = records.unchanged_failure(connection, "documents", "recipe", "as usual", file_record("a"))
    assert known is not None
    assert known.problem.code == "corrupt"
    assert records.unchanged_failure(connection, "documents", "recipe", "with a password", file_record("a")) is None
    assert records.unchanged_failure(connection, "documents", "another recipe", "as usual", file_record("a")) is None
    assert records.unchanged_failure(connection, "documents", "recipe", "as usual", file_record("b")) is None


def test_a_reopened_job_is_unfinished_until_its_intake_ends(connection: Connection) -> None:
    job, _, batch = begin(connection, "a")
    finish(connection, batch)
    assert is_finished(connection, job)
    jobs.reopen(connection, job)
    assert not is_finished(connection, job)
    jobs.finish_intake(connection, job)
    assert is_finished(connection, job)


def test_a_job_of_more_documents_than_a_statement_has_parameters_is_cancelled(connection: Connection) -> None:
    job, recorded, batch = begin(connection, "a")
    row = (
        connection.execute(sa.select(attempts_table).where(attempts_table.c.id == recorded.attempt_id)).mappings().one()
    )
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 6000)  # instead of 250,000 on Debian
    many = 6500
    with pytest.raises(sa.exc.OperationalError, match="too many SQL variables"):
        connection.execute(sa.select(attempts_table.c.id).where(attempts_table.c.id.in_(map(str, range(many)))))
    connection.execute(attempts_table.insert(), [{**row, "id": f"many-{n}"} for n in range(many)])
    assert attempts.cancel(connection, attempts_table.c.job_id == job) == many + 1
    assert batch_documents.running(connection, batch) == []


def test_split_list_keeps_all_items_in_order() -> None:
    assert list(split_list(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(split_list([])) == []


def test_a_clock_that_was_set_back_leaves_neither_an_intake_nor_an_order_for_later(connection: Connection) -> None:
    """Both were recorded an hour from now."""
    job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0).id
    before = time.time() - 60
    assert jobs.with_open_intake(connection, before) == []
    connection.execute(jobs_table.update().values(created_at=time.time() + 3600))
    assert jobs.with_open_intake(connection, before) == [job]
    orders.add(connection, job, {})
    assert jobs.with_open_intake(connection, before) == []
    orders.postpone(connection, job, 300)
    assert orders.list_due(connection) == []
    orders.postpone(connection, job, 3600 + orders.LONGEST_PAUSE_S)
    assert [order.job_id for order in orders.list_due(connection)] == [job]


def test_a_job_waits_for_uploads_as_long_as_it_is_left_open(connection: Connection) -> None:
    job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0).id
    later = time.time() + 60
    assert jobs.with_open_intake(connection, later) == [job]
    jobs.keep_open(connection, job, 3600)
    assert jobs.with_open_intake(connection, later) == []
    assert jobs.open_for_uploads(connection, job) is not None
    jobs.keep_open(connection, job, -1)
    assert jobs.with_open_intake(connection, later) == [job]
    jobs.finish_intake(connection, job)
    assert jobs.open_for_uploads(connection, job) is None
