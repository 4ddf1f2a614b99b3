"""Lists of open failures: conditions, pages, counts by class, and that they stay fast however many there are."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.cursors import Key, cursor_of
from pipeline.catalog.database.schema import failures as table
from pipeline.catalog.work import failure_list, jobs
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.catalog.work.jobs import Job
from pipeline.dead_letters.query import FailureQuery
from pipeline.errors import BadRequest, UnknownId
from pipeline.moments import moment_of
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

NOW = 1_700_000_000.0
JOB = str(uuid.UUID(int=4711))


def failure(number: int, **columns: object) -> dict[str, object]:
    """A row, the older the higher its number."""
    document_id = str(uuid.UUID(int=number))
    return {
        "id": document_id,
        "document_id": document_id,
        "job_id": JOB,
        "collection": "documents",
        "source": f"/srv/{number}.pdf",
        "stage": "extract",
        "code": "corrupt",
        "message": "It is broken.",
        "hint": "Mend it.",
        "transient": False,
        "created_at": NOW - number,
        "fatal_attempts": 0,
        **columns,
    }


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TaskManager]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing", quarantine_after=3))
    rows = [
        failure(1),
        failure(2, code="timeout", stage="ocr", fatal_attempts=3),
        failure(3, code="timeout", stage="extract", fatal_attempts=2),
        failure(4, collection="letters", source="upload://Letter [1].txt", code="unavailable", transient=True),
        # Two at one moment: their ids order them.
        failure(5, created_at=NOW - 100),
        failure(6, created_at=NOW - 100),
    ]
    with writing(services.catalog) as connection:
        jobs.create(connection, Job("documents", "ingest", 5), "request", 0)
        connection.execute(sa.update(sa.table("jobs", sa.column("id"))).values(id=JOB))
        connection.execute(table.insert(), rows)
    yield TaskManager(services)
    services.catalog.dispose()


def numbers(manager: TaskManager, **conditions: object) -> list[int]:
    """Numbers of the failures that meet the conditions, in their order."""
    listed = manager.list_failures(FailureQuery(**conditions))  # type: ignore[arg-type]
    assert listed.total == len(listed.failures) == sum(count.documents for count in listed.counts)
    return [uuid.UUID(record.document_id).int for record in listed.failures]


def test_conditions_hold_together(manager: TaskManager) -> None:
    assert numbers(manager) == [1, 2, 3, 4, 6, 5]
    assert numbers(manager, code="timeout") == [2, 3]
    assert numbers(manager, code="timeout", stage="ocr") == [2]
    assert numbers(manager, collection="letters") == [4]
    assert numbers(manager, job_id=JOB, transient=False, code="corrupt") == [1, 6, 5]
    assert numbers(manager, quarantined=True) == [2]
    assert numbers(manager, quarantined=False) == [1, 3, 4, 6, 5]
    assert numbers(manager, source="*.pdf", stage="extract") == [1, 3, 6, 5]
    assert numbers(manager, source="3.pdf") == [3]
    assert numbers(manager, source="Letter [1].txt") == [4]
    assert numbers(manager, source="*.docx") == []
    with pytest.raises(UnknownId, match="There is no job nothing"):
        numbers(manager, job_id="nothing")


def test_failures_are_chosen_by_age(manager: TaskManager) -> None:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 3))
    assert numbers(manager, since=since) == [1, 2, 3]
    assert numbers(manager, before=since) == [4, 6, 5]
    assert numbers(manager, since="1s") == []
    assert numbers(manager, before="1s") == [1, 2, 3, 4, 6, 5]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - 90),
        ("2h", NOW - 7200),
        ("3d", NOW - 259_200),
        ("1w", NOW - 604_800),
        ("30m", NOW - 1800),
        ("1970-01-01T01:00:00+01:00", 0.0),
        (None, None),
    ],
)
def test_moments(text: str | None, moment: float | None) -> None:
    assert moment_of(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2y", "-3d", "2026-13-01", "1_000s"])
def test_what_is_no_moment_is_an_error(text: str) -> None:
    with pytest.raises(BadRequest, match="neither a time nor a duration"):
        moment_of(text, NOW)


def test_classes_are_counted_the_largest_first(manager: TaskManager) -> None:
    counts = manager.list_failures(FailureQuery(), limit=1).counts
    assert [(count.code, count.stage, count.documents, count.quarantined) for count in counts] == [
        ("corrupt", "extract", 3, 0),
        ("timeout", "extract", 1, 0),
        ("timeout", "ocr", 1, 1),
        ("unavailable", "extract", 1, 0),
    ]
    # A pattern is compared row by row, and gives the same counts.
    by_pattern = manager.list_failures(FailureQuery(source="*")).counts
    assert by_pattern == counts


@pytest.mark.parametrize("source", [None, "*.pdf"])
def test_pages_hold_every_failure_once_while_others_come_and_go(manager: TaskManager, source: str | None) -> None:
    seen: list[int] = []
    after: str | None = None
    while True:
        page = manager.list_failures(FailureQuery(source=source), after, 2)
        seen += [uuid.UUID(record.document_id).int for record in page.failures]
        after = page.next
        if after is None:
            break
        with writing(manager._services.catalog) as connection:
            # A new failure shifts no page, and the last one of the page before may be cured meanwhile.
            connection.execute(table.insert(), [failure(1000 + len(seen), created_at=NOW + len(seen))])
            connection.execute(table.delete().where(table.c.id == page.failures[-1].document_id))
    assert seen == ([1, 2, 3, 4, 6, 5] if source is None else [1, 2, 3, 6, 5])


@pytest.mark.parametrize("after", ["", "7", "1.2", "x.00000000-0000-0000-0000-000000000001", "1e9.zzz"])
def test_a_position_that_no_list_gives_is_an_error(manager: TaskManager, after: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        manager.list_failures(FailureQuery(), after)


def test_a_purge_removes_what_meets_the_conditions_and_says_how_many(manager: TaskManager) -> None:
    assert manager.purge_failures(FailureQuery(code="timeout", stage="ocr")) == 1
    assert manager.purge_failures(FailureQuery(source="*.pdf", before="1s")) == 4
    assert numbers(manager) == [4]
    assert manager.purge() == 1
    assert numbers(manager) == []


def test_a_dry_run_counts_by_class_and_begins_nothing(manager: TaskManager) -> None:
    report = manager.retry_failures(FailureQuery(code="timeout"), dry_run=True)
    assert (report.jobs, report.documents, report.quarantined, report.dry_run) == ([], 1, 1, True)
    assert [(count.code, count.stage, count.documents) for count in report.counts] == [("timeout", "extract", 1)]
    forced = manager.retry_failures(FailureQuery(code="timeout"), force=True, dry_run=True)
    assert (forced.documents, forced.quarantined) == (2, 0)
    assert len(numbers(manager)) == 6


@pytest.mark.parametrize(
    ("job", "pages", "counted"),
    [
        (
            None,
            "ix_failures_created_at_id ((created_at,id)<(?,?))",
            "SCAN failures USING COVERING INDEX ix_failures_code_stage",
        ),
        (
            JOB,
            "ix_failures_job_id_created_at_id (job_id=? AND (created_at,id)<(?,?))",
            "SEARCH failures USING COVERING INDEX ix_failures_job_id_code_stage (job_id=?)",
        ),
    ],
)
def test_pages_and_counts_use_indexes(manager: TaskManager, job: str | None, pages: str, counted: str) -> None:
    """A page of 100,000 failures is read from its index, without sorting them; so are the counts of all."""
    statements: list[tuple[str, Any]] = []

    @sa.event.listens_for(manager._services.catalog, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    manager.list_failures(FailureQuery(job_id=job), cursor_of("time", Key(NOW, str(uuid.UUID(int=1)))))
    sa.event.remove(manager._services.catalog, "before_cursor_execute", note)
    with manager._services.catalog.connect() as connection:
        plans = [
            [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in statements
            if "FROM failures" in statement
        ]
    assert plans == [[f"SEARCH failures USING INDEX {pages}"], [counted]]


def test_conditions_in_the_catalog_alone(manager: TaskManager) -> None:
    with manager._services.catalog.connect() as connection:
        chosen = failure_list.list_chosen(connection, FailureFilter(code="timeout"))
    assert [(row.stage, row.fatal_attempts) for row in chosen] == [("ocr", 3), ("extract", 2)]
