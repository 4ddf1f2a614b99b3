"""The catalog does the same on SQLite and on PostgreSQL, also when several connections come at once."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

import pipeline.catalog
from pipeline.catalog.database import schema
from pipeline.catalog.database.connection import HEAD, open_catalog, sqlite_url, upgrade, writing
from pipeline.catalog.database.size import database_bytes
from pipeline.catalog.documents import deletion, garbage, live_versions, moves, records, tagging
from pipeline.catalog.documents.quarantine import leave_alone
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.versions import FileRecord, describe_versions
from pipeline.catalog.index import vector_cache
from pipeline.catalog.work import (
    admission,
    attempt_counters,
    attempt_errors,
    attempts,
    batch_documents,
    batches,
    conditions,
    document_groups,
    due_deliveries,
    endings,
    events,
    failure_list,
    failures,
    jobs,
    ledger,
    new_failures,
    notices,
    outbox,
    stage_load,
)
from pipeline.catalog.work.conditions import Observation, Timing
from pipeline.catalog.work.failure_history import read_history
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.open_tasks import mark_republished, open_tasks
from pipeline.catalog.work.outbox import Hook
from pipeline.catalog.work.status import document_status
from pipeline.catalog.work.worker_deaths import SPARED
from pipeline.catalog.work.workload import UNKNOWN_KB
from pipeline.errors import BadRequest, StackUnavailable
from pipeline.errors.problem import Problem
from pipeline.errors.trace import Trace

pytest_plugins = ("postgres_fixture",)

RECIPE = "recipe"
MIGRATE = (
    "import sys; from pipeline.catalog.database.connection import open_catalog; open_catalog(sys.argv[1]).dispose()"
)
NEVER = Failure("extract", Problem("corrupt", "It is broken.", "Mend it."))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty catalog, before its first migration."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    return str(request.getfixturevalue("postgres").create())


@pytest.fixture
def catalog(url: str) -> Iterator[Engine]:
    with opened(url) as engine:
        yield engine


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = open_catalog(url)
    try:
        yield engine
    finally:
        engine.dispose()


def begin_job(connection: Connection, urgency: int = 5) -> str:
    """A job whose intake is open."""
    return jobs.create(connection, Job("documents", "ingest", urgency), "request", 1000).id


def file_record(source: str, content: str = "a") -> FileRecord:
    return FileRecord(source, content * 64, 100, 1_700_000_000.0)


def take(connection: Connection, job: str, *sources: str, content: str = "a") -> list[Recorded]:
    return [records.record(connection, job, RECIPE, file_record(source, content)) for source in sources]


def batch_of(connection: Connection, job: str, recorded: list[Recorded], *, active: bool = False) -> str:
    return batches.create(connection, job, 5, [str(record.attempt_id) for record in recorded], active=active)


def all_at_once(work: list[Callable[[], Any]]) -> list[Any]:
    """The results of functions that start at the same moment, each in a thread; their errors are raised here."""
    gate = threading.Barrier(len(work))
    results: list[Any] = [None] * len(work)

    def run(position: int) -> None:
        gate.wait()
        try:
            results[position] = work[position]()
        except BaseException as error:
            results[position] = error

    threads = [threading.Thread(target=run, args=(position,)) for position in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def test_tags_are_kept_labelled_and_replaced(catalog: Engine) -> None:
    with writing(catalog) as connection:
        job = begin_job(connection)
        (record,) = take(connection, job, "/a")
        batch_of(connection, job, [record], active=True)
        for tags, expected in ((("größe", "x"), ["größe", "x"]), (None, ["größe", "x"]), ((), [])):
            again = records.record(connection, job, RECIPE, replace(file_record("/a"), tags=tags))
            assert again.outcome == "joined"
            assert tagging.tags_of(connection, [record.document_id]) == {record.document_id: expected}
        (due,) = moves.waiting_for_labels(connection, 5)
        moves.mark_labelled(connection, {due.id: due.moved_at})
        assert moves.waiting_for_labels(connection) == []
        attempts.complete(connection, [str(record.attempt_id)])
        (due,) = moves.waiting_for_labels(connection)
        assert (due.source, due.tags) == ("/a", [])
        moves.mark_labelled(connection, {due.id: due.moved_at})
        assert moves.waiting_for_labels(connection) == []


def test_migrates_from_empty_and_again(url: str) -> None:
    for _ in range(2):
        with opened(url) as engine, engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD
            names = set(sa.inspect(connection).get_table_names())
            assert names == {*schema.metadata.tables, "alembic_version"}


def described(connection: Connection) -> dict[str, Any]:
    """Everything that the database says of its tables, and what is in them."""
    inspector = sa.inspect(connection)
    return {
        table: {
            "columns": [{**column, "type": str(column["type"])} for column in inspector.get_columns(table)],
            "primary key": inspector.get_pk_constraint(table),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
            "foreign keys": sorted(map(str, inspector.get_foreign_keys(table))),
            "checks": sorted(map(str, inspector.get_check_constraints(table))),
            "indexes": sorted(str({**index, "dialect_options": said(index)}) for index in inspector.get_indexes(table)),
            "rows": sorted(map(str, connection.execute(sa.select(sa.text("*")).select_from(sa.table(table))))),
        }
        for table in inspector.get_table_names()
    }


def said(index: Any) -> dict[str, str]:
    """An index's options, clauses as their words."""
    return {name: str(value) for name, value in index.get("dialect_options", {}).items()}


def test_migrations_make_the_tables_of_the_schema(url: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """An empty catalog gets its tables all at once; one of an older release by migrations: both are the same."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with opened(url) as engine, engine.connect() as connection:
        at_once = described(connection)
        native = engine.dialect.name
    other = (
        sqlite_url(tmp_path / "migrated") if native == "sqlite" else str(request.getfixturevalue("postgres").create())
    )
    (tmp_path / "migrated").mkdir()
    migrated = sa.create_engine(sa.make_url(other).set(drivername=engine.url.drivername))
    with migrated.begin() as connection:
        upgrade(connection)
    with migrated.connect() as connection:
        assert described(connection) == at_once
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    migrated.dispose()
    with opened(other) as engine, engine.connect() as connection:
        assert described(connection) == at_once


def downgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", f"{next(iter(pipeline.catalog.__path__))}/migrations")
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


def test_catalog_of_the_first_migration_is_migrated_with_its_rows(url: str) -> None:
    with opened(url) as engine, writing(engine) as connection:
        job = begin_job(connection)
        (record,) = take(connection, job, "/scan.pdf")
        attempts.advance(connection, [str(record.attempt_id)], "extracting")
        pages = {"pages_total": 9, "pages_done": 4, "pages_scanned": 5}
        attempt_counters.set_pages(connection, {str(record.attempt_id): pages})
        now = described(connection)
        connection.execute(schema.jobs.update().values(samples=[[0.0, 0.3]]))
        downgrade(connection, "first")
        assert "pages_scanned" not in str(described(connection)["attempts"])
        assert "parts_missing" not in str(described(connection)["versions"])
    with opened(url) as engine, engine.connect() as connection:
        assert described(connection) == now


def test_two_processes_can_migrate_at_once(url: str) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", MIGRATE, url], stderr=subprocess.PIPE) for _ in range(2)]
    ends = [(process.communicate()[1].decode(), process.returncode) for process in processes]
    assert ends == [("", 0)] * 2
    with opened(url) as engine, engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM alembic_version")) == 1


def test_catalog_of_another_version_is_refused(url: str) -> None:
    with opened(url) as engine, writing(engine) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'zzzz'"))
    with pytest.raises(StackUnavailable, match="Another version"):
        open_catalog(url)


def test_completed_documents_with_a_missing_part_are_counted(catalog: Engine) -> None:
    """Of a version that was read before missing parts were kept, the pages that failed are known."""
    facts: list[dict[str, object]] = [
        {"missing": ["The attached file a.dwg is not read."], "parts_missing": 1},
        {"pages_failed": 2},
        {"missing": [], "parts_missing": 0},
        {"parts_missing": 3, "missing": ["x"]},
    ]
    with writing(catalog) as connection:
        job = begin_job(connection)
        taken = take(connection, job, *(f"/{number}.pdf" for number in range(len(facts))))
        attempt_ids = [str(record.attempt_id) for record in taken]
        query = sa.select(schema.attempts.c.id, schema.attempts.c.version_id)
        version_ids: dict[str, str] = {row.id: row.version_id for row in connection.execute(query)}
        made = dict(zip((version_ids[name] for name in attempt_ids), facts, strict=True))
        describe_versions(connection, made)
        attempts.complete(connection, attempt_ids[:3])  # the last one is still in work
        counts = document_groups.count(connection, job, document_groups.of_job(connection, job))
        assert (counts["incomplete"], counts["pages_failed"]) == (2, 2)
        live = {record.document_id: version_ids[str(record.attempt_id)] for record in taken[:3]}
        live_versions.switch(connection, live)
        shown = [document_status(connection, record.document_id, ()) for record in taken]
    assert [status.missing for status in shown] == [facts[0]["missing"], ["2 pages could not be read."], [], ["x"]]
    assert [status.incomplete for status in shown] == [True, True, False, False]


def test_metrics_read_ends_open_work_and_size(catalog: Engine) -> None:
    with writing(catalog) as connection:
        job = begin_job(connection)
        before = endings.newest_event(connection)
        taken = take(connection, job, "/a.txt", "/b.txt", "/c.txt")
        batch = batch_of(connection, job, taken, active=True)
        ledger.add_due(connection, [(batch, "extract", 0, None), (batch, "ocr", 0, None), (batch, "ocr", 1, None)])
        assert ledger.claim(connection, ledger.task_id(batch, "ocr", 1), "me", ())
        loads = stage_load.stage_loads(connection)
        batches.create(connection, job, 7, [str(taken[2].attempt_id)])
        waiting = stage_load.waiting_batches(connection)
        attempts.fail(connection, {str(taken[0].attempt_id): NEVER})
        attempts.complete(connection, [str(taken[1].attempt_id)])
        ends = endings.list_endings(connection, before, endings.newest_event(connection), 10)
        assert endings.list_endings(connection, ends[0].event, ends[-1].event, 10) == ends[1:]
    assert {(load.stage, load.due, load.running) for load in loads} == {("extract", 1, 0), ("ocr", 1, 1)}
    assert [(row.priority, row.batches) for row in waiting if row.priority == 7] == [(7, 1)]
    assert [(end.outcome, end.code) for end in ends] == [("failed", "corrupt"), ("completed", None)]
    assert all(end.seconds is not None and 0 <= end.seconds < 600 for end in ends)
    assert database_bytes(catalog) > 10_000


def test_document_is_recorded_processed_and_completed(catalog: Engine) -> None:
    with writing(catalog) as connection:
        job = begin_job(connection)
        [record] = take(connection, job, "/a.txt")
        batch = batch_of(connection, job, [record])
        jobs.finish_intake(connection, job)
        assert admission.admit(connection, 6, 99, "extract") == [batch]
    task = ledger.task_id(batch, "extract")
    with writing(catalog) as connection:
        claim = ledger.claim(connection, task, "w1", set())
        assert claim is not None
        assert (claim.starts, claim.job_id, claim.detail) == (1, job, {})
        attempts.advance(connection, [str(record.attempt_id)], "extracting")
        assert ledger.finish(connection, task, "w1")
        assert not ledger.finish(connection, task, "w1")
    with writing(catalog) as connection:
        [carried] = batch_documents.running(connection, batch)
        attempt_counters.set_chunks(connection, {carried.attempt_id: 3})
        attempt_counters.add(connection, {carried.attempt_id: {"chunks_embedded": 3, "chunks_upserted": 3}})
        describe_versions(connection, {carried.version_id: {"chunks": 3, "warnings": ["ä", "\N{GRINNING FACE}"]}})
        live_versions.switch(connection, {carried.document_id: carried.version_id})
        attempts.complete(connection, [carried.attempt_id])
        batches.finish(connection, batch)
    with catalog.connect() as connection:
        (pile,) = document_groups.of_job(connection, job)
        assert (pile.kind, pile.outcome, pile.documents, pile.chunks) == (".txt", "completed", 1, 3)
        counts = document_groups.count(connection, job, [pile])
        assert counts["outcomes"] == {"completed": 1}
        assert (counts["documents"], counts["chunks"], counts["chunks_total"]) == (1, 3, 3)
        assert live_versions.live_version_ids(connection, [record.document_id]) == {
            record.document_id: carried.version_id
        }
        assert live_versions.switch_count(connection) == 1
        kinds = [event.kind for event in events.list_after(connection, job, 0)]
        assert kinds == ["job.created", "document.extracting", "document.completed", "job.finished"]
        assert open_tasks(connection) == []
        assert jobs.unfinished(connection) == []


def test_documents_are_grouped_by_suffix(catalog: Engine) -> None:
    """However they are called: a job of very many files has few piles."""
    names = [
        "1.txt",
        "22.txt",
        "abc.TXT",
        "README",
        "x1",
        "v1.2/README",
        "a.markdown",
        "notes.Markdown",
        "b.tar.gz",
        "",
    ]
    names += ["2101.00001", "2101.00002"]
    with writing(catalog) as connection:
        job = begin_job(connection)
        records_of_job = take(connection, job, *(f"/folder/{name}" for name in names))
        counts = Counter[str]()
        for pile in document_groups.of_job(connection, job):
            counts[pile.kind] += pile.documents
            assert pile.unread == pile.documents
            assert pile.bytes == pile.first_bytes == 100 * pile.documents
        assert counts == {".txt": 3, "": 6, ".markdown": 2, ".gz": 1}
        assert len(document_groups.of_job(connection, job)) <= 7
        large = sa.and_(schema.submissions.c.job_id == job, schema.submissions.c.source == "/folder/x1")
        connection.execute(schema.submissions.update().where(large).values(size=10**9))
        first = {pile.first_bytes for pile in document_groups.of_job(connection, job) if pile.bytes > 10**9}
        assert first == {int(UNKNOWN_KB * 1000) + 500}
        # A file that is being read counts as unread until its pages are known.
        begun = [str(record.attempt_id) for record in records_of_job[:2]]
        attempts.advance(connection, begun, "extracting")
        attempt_counters.set_pages(connection, {begun[0]: {"pages_total": 9, "pages_done": 4, "pages_scanned": 5}})
        (pile,) = [pile for pile in document_groups.of_job(connection, job) if pile.state == "extracting"]
        assert (pile.documents, pile.unread, pile.ocr_pages, pile.ocr_left) == (2, 1, 5, 5)


def test_same_file_again_joins_then_is_unchanged(catalog: Engine) -> None:
    with writing(catalog) as connection:
        first = begin_job(connection)
        [record] = take(connection, first, "/a.txt")
        batch = batch_of(connection, first, [record], active=True)
        [joined] = take(connection, begin_job(connection), "/a.txt")
        assert (joined.outcome, joined.attempt_id) == ("joined", record.attempt_id)
        [carried] = batch_documents.running(connection, batch)
        live_versions.switch(connection, {carried.document_id: carried.version_id})
        attempts.complete(connection, [carried.attempt_id])
        [same] = take(connection, begin_job(connection), "/a.txt")
        assert (same.outcome, same.attempt_id) == ("unchanged", None)
        [changed] = take(connection, begin_job(connection), "/a.txt", content="b")
        assert changed.outcome == "new"
        second = batch_of(connection, first, [changed], active=True)
        [newer] = batch_documents.running(connection, second)
        live_versions.switch(connection, {newer.document_id: newer.version_id})
        attempts.complete(connection, [newer.attempt_id])
        assert garbage.unused_versions(connection, [record.document_id]) == [carried.version_id]
        garbage.mark_removed(connection, [carried.version_id])
        assert garbage.unused_versions(connection, [record.document_id]) == []
        deletion.tombstone(connection, [record.document_id])
        assert live_versions.live_version_ids(connection, [record.document_id]) == {}


def test_failed_and_cancelled_documents_end_the_job(catalog: Engine) -> None:
    with writing(catalog) as connection:
        job = begin_job(connection)
        broken, unwanted = take(connection, job, "/broken.pdf", "/unwanted.pdf")
        records.reject(
            connection, job, "/pipe", 0, Failure("intake", Problem("not_a_file", "It is a pipe.", "Leave it."))
        )
        jobs.finish_intake(connection, job)
        attempts.fail(connection, {str(broken.attempt_id): NEVER})
        assert jobs.unfinished(connection) == [job]
        assert attempts.cancel(connection, schema.attempts.c.id == unwanted.attempt_id) == 1
        assert jobs.unfinished(connection) == []
        assert document_groups.count(connection, job, document_groups.of_job(connection, job))["outcomes"] == {
            "failed": 2,
            "cancelled": 1,
        }
        open_failures = sa.select(schema.failures.c.source, schema.failures.c.code).order_by("source")
        assert connection.execute(open_failures).all() == [("/broken.pdf", "corrupt"), ("/pipe", "not_a_file")]


def test_failures_are_listed_counted_and_purged(catalog: Engine) -> None:
    crashed = Failure("ocr", Problem("crashed", "The worker died.", "Save it again."))
    with writing(catalog) as connection:
        job = begin_job(connection)
        for number in range(3):
            (recorded,) = take(connection, job, f"/in/{number}.txt", content=str(number))
            cause = NEVER if number == 2 else crashed
            attempts.fail(connection, {str(recorded.attempt_id): cause})
    everything = FailureFilter(quarantine_after=1)
    with catalog.connect() as connection:
        first, after = failure_list.list_page(connection, everything, None, 2)
        second, end = failure_list.list_page(connection, everything, after, 2)
        classes = failure_list.count_classes(connection, everything)
        held = failure_list.count_classes(connection, replace(everything, has_source="/in/0.txt".__eq__))
        chosen = failure_list.list_chosen(connection, replace(everything, quarantined=False))
        few = failure_list.list_chosen(connection, replace(everything, literals=("1",), job_id=job, stage="ocr"))
    assert [row["source"] for row in (*first, *second)] == ["/in/2.txt", "/in/1.txt", "/in/0.txt"]
    assert end is None
    assert classes == [("crashed", "ocr", 2, 2), ("corrupt", "extract", 1, 0)]
    assert held == [("crashed", "ocr", 1, 1)]
    assert ([row.code for row in chosen], [row.source for row in few]) == (["corrupt"], ["/in/1.txt"])
    with writing(catalog) as connection:
        assert failure_list.purge(connection, replace(everything, code="crashed", before=time.time() + 60)) == 2
        assert failure_list.purge(connection, everything) == 1


def test_history_and_fatal_attempts_of_a_document(catalog: Engine) -> None:
    crashed = Failure("extract", Problem("crashed", "The worker died.", "Save it again."), trace=Trace("t1", "a.py"))
    down = Failure("extract", Problem("unavailable", "Redis is down.", "Start it.", transient=True))
    with writing(catalog) as connection:
        for number in range(1, 4):
            job = begin_job(connection)
            recorded = take(connection, job, "/in/poison.txt")
            batch = batch_of(connection, job, recorded, active=True)
            ledger.add_due(connection, [(batch, "extract", 0, None)])
            held = ledger.claim(connection, ledger.task_id(batch, "extract"), "node", ())
            assert held is not None
            for _ in range(attempt_errors.KEPT):
                attempt_errors.record_retry(connection, held, "node", down)
            attempts.fail(connection, {str(recorded[0].attempt_id): crashed})
            assert failures.quarantined_sources(connection, "documents", {"/in/poison.txt"}, number)
            assert not failures.quarantined_sources(connection, "documents", {"/in/poison.txt"}, number + 1)
    with writing(catalog) as connection:
        again = begin_job(connection)
        assert leave_alone(connection, again, "documents", file_record("/in/poison.txt", "b")) is None
        left = leave_alone(connection, again, "documents", file_record("/in/poison.txt"))
        assert left is not None
        assert (left[0], left[1].problem.code) == (recorded[0].document_id, "quarantined")
        (line,) = failures.list_of_job(connection, again)
        assert f"retry {left[0]} --force" in line["hint"]
        failures.forget_readings(connection, [left[0]])
        assert not failures.quarantined_sources(connection, "documents", {"/in/poison.txt"}, 1)
    with catalog.connect() as connection:
        history = read_history(connection, recorded[0].document_id)
    assert [row["number"] for row in history.attempts] == [1, 2, 3]
    assert len(history.errors) == attempt_errors.KEPT
    newest = history.errors[-1]
    assert (newest["kind"], newest["worker"], newest["part"], newest["trace_id"]) == ("failed", "node", 0, "t1")
    assert {row["kind"] for row in history.errors[:-1]} == {"retried"}


def test_vector_cache_keeps_the_first_vector_of_each_space(catalog: Engine, tmp_path: Path) -> None:
    vectors = {name: np.random.default_rng(3).random(4, dtype=np.float32) for name in ("x", "y")}
    held = vector_cache.open_cache(catalog, tmp_path)
    with writing(held) as connection:
        vector_cache.store(connection, vector_cache.to_rows("space", vectors))
        vector_cache.store(connection, vector_cache.to_rows("space", {"y": vectors["y"] + 1, "z": vectors["x"]}))
        known = vector_cache.lookup(connection, "space", ["x", "y", "none"])
        assert known.keys() == {"x", "y"}
        assert all((known[name] == vectors[name]).all() for name in known)
        assert vector_cache.lookup(connection, "other", ["x"]) == {}
        vector_cache.prune(connection, 0)
        assert vector_cache.lookup(connection, "space", ["x", "y", "z"]) == {}
    held.dispose()


def test_vectors_are_cached_while_others_write_in_the_catalog(tmp_path: Path) -> None:
    with opened(sqlite_url(tmp_path)) as catalog, writing(catalog) as busy:
        begin_job(busy)
        held = vector_cache.open_cache(catalog, tmp_path)
        with writing(held) as connection:
            vector_cache.store(connection, vector_cache.to_rows("space", {"x": np.ones(4, dtype=np.float32)}))
        held.dispose()


def test_unusable_cache_is_ignored_only_with_sqlite(catalog: Engine) -> None:
    """An unreachable server is tried again: a worker that ignored it would embed all texts a second time."""
    expected = nullcontext() if catalog.dialect.name == "sqlite" else pytest.raises(sa.exc.DBAPIError)
    with expected, vector_cache.ignore_if_unusable(), catalog.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM there_is_no_such_table")


def test_event_ids_are_not_reused_after_a_power_cut(catalog: Engine) -> None:
    """As of before a power cut, which has taken the last ones back."""
    with writing(catalog) as connection:
        job = begin_job(connection)
        before = events.newest_id(connection, job)
    events.skip_lost_ids(catalog)
    with writing(catalog) as connection:
        events.add(connection, "document.chunking", [(job, None)])
        lost = events.newest_id(connection, job)
        connection.execute(schema.events.delete().where(schema.events.c.id > before))
    events.skip_lost_ids(catalog)
    with writing(catalog) as connection:
        events.add(connection, "document.chunking", [(job, None)])
        assert before < lost < events.newest_id(connection, job) < 2**50
        assert len(events.list_after(connection, job, lost)) == 1


def test_rolled_back_transaction_leaves_nothing(catalog: Engine) -> None:
    with suppress(KeyError), writing(catalog) as connection:
        begin_job(connection)
        raise KeyError
    with catalog.connect() as connection:
        assert jobs.unfinished(connection) == []


def test_reader_sees_one_snapshot(catalog: Engine) -> None:
    with catalog.connect() as reading:
        assert jobs.unfinished(reading) == []
        with writing(catalog) as connection:
            begin_job(connection)
        assert jobs.unfinished(reading) == []
    with catalog.connect() as reading:
        assert len(jobs.unfinished(reading)) == 1


def test_only_one_of_many_concurrent_claims_wins(catalog: Engine) -> None:
    with writing(catalog) as connection:
        job = begin_job(connection)
        batch = batch_of(connection, job, take(connection, job, "/a.txt"), active=True)
        ledger.add_due(connection, [(batch, "embed", part, None) for part in range(10)])
    runners = [f"w{number}" for number in range(4)]

    def claim_all(runner: str) -> int:
        won = 0
        for part in range(10):
            with writing(catalog) as connection:
                won += ledger.claim(connection, ledger.task_id(batch, "embed", part), runner, set(runners)) is not None
        return won

    assert sum(all_at_once([partial(claim_all, runner) for runner in runners])) == 10


def test_concurrent_last_tasks_are_counted_once(catalog: Engine) -> None:
    """Counted inside one commit: whether this is the last task of the batch, and the last document of the job."""
    rounds, fans = 10, 4
    with writing(catalog) as connection:
        batches = []
        for number in range(rounds):
            job = begin_job(connection)
            recorded = take(connection, job, *(f"/{number}-{part}" for part in range(fans)))
            batch = batch_of(connection, job, recorded, active=True)
            ledger.add_due(connection, [(batch, "upsert", part, None) for part in range(fans)])
            for part in range(fans):
                ledger.claim(connection, ledger.task_id(batch, "upsert", part), "w", set())
            jobs.finish_intake(connection, job)
            batches.append((batch, [str(record.attempt_id) for record in recorded]))

    def finish(batch: str, part: int, attempt: str) -> bool:
        with writing(catalog) as connection:
            assert ledger.finish(connection, ledger.task_id(batch, "upsert", part), "w")
            attempts.complete(connection, [attempt])
            return not ledger.count_unfinished(connection, batch, ["embed", "upsert"])

    for batch, ids in batches:
        lasts = all_at_once([partial(finish, batch, part, ids[part]) for part in range(fans)])
        assert sum(lasts) == 1
    with catalog.connect() as connection:
        assert jobs.unfinished(connection) == []
        finished = sa.select(sa.func.count()).where(schema.events.c.kind == "job.finished")
        assert connection.scalar(finished) == rounds


def test_admission_window_holds_for_concurrent_admissions(catalog: Engine) -> None:
    with writing(catalog) as connection:
        job, urgent = begin_job(connection), begin_job(connection, 9)
        for name, count in ((job, 12), (urgent, 3)):
            for number in range(count):
                recorded = take(connection, name, f"/{name}/{number}")
                priority = jobs.get(connection, name).priority
                batches.create(connection, name, priority, [str(recorded[0].attempt_id)])

    def admit() -> list[str]:
        with writing(catalog) as connection:
            return admission.admit(connection, 5, 99, "extract")

    admitted = [batch for batches in all_at_once([admit] * 4) for batch in batches]
    assert len(admitted) == len(set(admitted)) == 5 + 3
    with catalog.connect() as connection:
        found = open_tasks(connection)
        assert sorted(due.batch_id for due in found) == sorted(admitted)
        assert {due.state for due in found} == {"due"}


def test_concurrent_intakes_record_the_same_files_once(catalog: Engine) -> None:
    """Also in opposite orders: no deadlock of the writers, and each file becomes one document."""
    names = [f"/{number}.txt" for number in range(8)]

    def record_files(order: int) -> list[Recorded]:
        with writing(catalog) as connection:
            return take(connection, begin_job(connection), *names[::order])

    every_record = [
        record
        for recorded in all_at_once([partial(record_files, order) for order in (1, -1, 1, -1)])
        for record in recorded
    ]
    assert sorted(record.outcome for record in every_record) == ["joined"] * 24 + ["new"] * 8
    with catalog.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.documents)) == 8


def test_events_are_committed_in_the_order_of_their_ids(catalog: Engine) -> None:
    """A client that follows a job asks for what comes after the last id seen: none may appear before it later on."""
    with writing(catalog) as connection:
        job = begin_job(connection)
    seen: list[int] = []
    done = threading.Event()

    def write() -> None:
        for _ in range(25):
            with writing(catalog) as connection:
                events.add(connection, "document.failed", [(job, None)] * 3)

    def follow() -> None:
        last = 0
        while True:
            ended = done.is_set()
            with catalog.connect() as connection:
                fresh = [event.id for event in events.list_after(connection, job, last)]
            seen.extend(fresh)
            last = max([last, *fresh])
            if ended and not fresh:
                return

    reader = threading.Thread(target=follow)
    reader.start()
    all_at_once([write] * 4)
    done.set()
    reader.join()
    with catalog.connect() as connection:
        assert seen == list(connection.scalars(sa.select(schema.events.c.id).order_by(schema.events.c.id)))


def test_dead_runner_loses_its_task(catalog: Engine) -> None:
    with writing(catalog) as connection:
        job = begin_job(connection)
        batch = batch_of(connection, job, take(connection, job, "/a.txt"))
        admission.admit(connection, 1, 99, "extract")
        task = ledger.task_id(batch, "extract")
        assert ledger.claim(connection, task, "w1", {"w1", "w2"})
        assert ledger.claim(connection, task, "w2", {"w1", "w2"}) is None
        again = ledger.claim(connection, task, "w2", {"w2"})
        assert again is not None
        assert again.starts == 2
        assert not ledger.finish(connection, task, "w1")
        ledger.release(connection, task, "w2")
        [due] = open_tasks(connection)
        assert (due.state, due.starts, due.runner) == ("due", 1, None)
        assert mark_republished(connection, [due], ()) == [due]
        [due] = open_tasks(connection)
        assert (due.state, due.starts, due.runner) == ("due", 1, None)
        attempts.cancel(connection, schema.attempts.c.job_id == job)


@pytest.mark.parametrize("by_message", [True, False], ids=["its message returns", "it is published again"])
def test_a_task_is_not_blamed_for_the_death_of_its_whole_worker(catalog: Engine, by_message: bool) -> None:
    """The death of its own process is held against it, and in the end that of its worker too."""
    with writing(catalog) as connection:
        job = begin_job(connection)
        batch = batch_of(connection, job, take(connection, job, "/a.txt"))
        admission.admit(connection, 1, 99, "extract")
        task = ledger.task_id(batch, "extract")

        def blamed(number: int, *alive: str) -> int:
            if not by_message:
                mark_republished(connection, open_tasks(connection), alive)
            claim = ledger.claim(connection, task, f"extract@{number}/{number}-1", alive)
            assert claim is not None
            assert claim.starts == number
            return claim.counted_starts - 1

        assert blamed(1) == 0
        assert blamed(2, "extract@1") == 1  # the worker lives on
        deaths = [blamed(3 + number) for number in range(SPARED + 2)]
        assert deaths == [1] * SPARED + [2, 3]
        attempts.cancel(connection, schema.attempts.c.job_id == job)


def test_only_the_death_of_a_process_counts(catalog: Engine) -> None:
    """A task is given back, refused, lost by a living process, or published again: none of that is a death."""
    with writing(catalog) as connection:
        job = begin_job(connection)
        batch = batch_of(connection, job, take(connection, job, "/a.txt"))
        admission.admit(connection, 1, 99, "extract")
        task = ledger.task_id(batch, "extract")

        def started(runner: str, *alive: str) -> int | None:
            claim = ledger.claim(connection, task, runner, alive)
            return None if claim is None else claim.starts

        def published_again(*alive: str) -> int:
            again = mark_republished(connection, open_tasks(connection), alive)
            assert [(row.task_id, row.state) for row in open_tasks(connection)] == [(task, "due")]
            return len(again)

        assert not ledger.is_running(connection, task)
        assert started("n/1-1") == 1
        assert ledger.is_running(connection, task)
        assert started("n/2-1", "n/1-1", "n/2-1") is None
        # Its own claim was left over by an error.
        assert started("n/1-1", "n/1-1") == 1
        for _ in range(9):
            ledger.release(connection, task, "n/1-1")
            assert started("n/1-1") == 1
            # It lives, and does something else.
            assert published_again("n/1-1") == 1
            assert started("n/1-1") == 1
        # It is dead: found by the claim of another, or by the reconciler.
        assert started("n/2-1", "n/2-1") == 2
        assert published_again("n/3-1") == 1
        assert published_again() == 1
        assert started("n/3-1") == 3
        # A result that the catalog refuses is no death, but may not be tried for ever.
        ledger.release(connection, task, "n/3-1", counts=True)
        assert started("n/4-1") == 4
        attempts.cancel(connection, schema.attempts.c.job_id == job)


def test_a_frozen_process_that_was_given_up_commits_nothing(catalog: Engine) -> None:
    """Another process of the same worker has the task, or none has: the claim names the process."""
    with writing(catalog) as connection:
        job = begin_job(connection)
        batch = batch_of(connection, job, take(connection, job, "/a.txt"))
        admission.admit(connection, 1, 99, "extract")
        task = ledger.task_id(batch, "extract")
        assert ledger.claim(connection, task, "n/1-1", ())
        seen = open_tasks(connection)
        assert mark_republished(connection, seen, ())
        assert not ledger.finish(connection, task, "n/1-1")
        assert ledger.claim(connection, task, "n/2-1", ())
        assert not ledger.finish(connection, task, "n/1-1")
        # What was seen before the new claim does not end it.
        assert mark_republished(connection, seen, ()) == []
        ledger.release(connection, task, "n/1-1")
        assert ledger.finish(connection, task, "n/2-1")
        attempts.cancel(connection, schema.attempts.c.job_id == job)


def test_a_claim_of_the_version_before_names_its_worker(catalog: Engine) -> None:
    with writing(catalog) as connection:
        job = begin_job(connection)
        batch = batch_of(connection, job, take(connection, job, "/a.txt"))
        admission.admit(connection, 1, 99, "extract")
        task = ledger.task_id(batch, "extract")
        assert ledger.claim(connection, task, "extract@1", ())
        assert ledger.claim(connection, task, "extract@1/7-1", {"extract@1", "extract@1/7-1"}) is None
        again = ledger.claim(connection, task, "extract@2/7-1", {"extract@2", "extract@2/7-1"})
        assert again is not None
        assert again.starts == 2
        attempts.cancel(connection, schema.attempts.c.job_id == job)


ANY = st.text(st.characters(exclude_categories=()) | st.sampled_from("\0\ud800"), max_size=30)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=ANY, title=ANY, message=ANY)
def test_text_that_no_database_can_store_is_replaced(catalog: Engine, source: str, title: str, message: str) -> None:
    """Names, titles and messages may hold anything; what no database can store is replaced, not refused."""
    with writing(catalog) as connection:
        job = begin_job(connection)
        [record] = take(connection, job, "/" + re.sub("[\ud800-\udfff]", "", source))
        batch = batch_of(connection, job, [record], active=True)
        [carried] = batch_documents.running(connection, batch)
        describe_versions(connection, {carried.version_id: {"title": title, "warnings": [message]}})
        attempts.fail(connection, {carried.attempt_id: Failure("extract", Problem("corrupt", message, "Mend it."))})
        kept = sa.select(schema.versions.c.title, schema.versions.c.warnings, schema.attempts.c.message)
        kept = kept.join(schema.attempts, schema.attempts.c.version_id == schema.versions.c.id)
        row = connection.execute(kept.where(schema.attempts.c.id == carried.attempt_id)).one()
    assert tuple(row) == (storable(title), [message], storable(message))


def storable(text: str) -> str:
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text)


@pytest.mark.parametrize("wrong", ["mysql://u@h/d", "mssql+pyodbc://u@h/d"])
def test_another_database_is_refused(wrong: str) -> None:
    with pytest.raises(BadRequest, match="cannot be kept"):
        open_catalog(wrong)


def test_unreachable_database_is_unavailable() -> None:
    with pytest.raises(StackUnavailable, match=r"docrelay:\*\*\*@127\.0\.0\.1"):
        open_catalog("postgresql://docrelay:secret@127.0.0.1:9/none")


def test_notices_and_conditions_go_through_the_outbox(catalog: Engine) -> None:
    hook, later = Hook("mailto:ops@example.org", ""), time.time() + 3600
    trouble = Observation("disk.low", "/data", present=True, severity="error", facts={"free_mb": 3})
    with writing(catalog) as connection:
        conditions.observe(connection, [trouble], Timing())
        conditions.observe(connection, [trouble], Timing())
        notices.add(connection, "backup.failed", "/backup\0", "error", {"message": "No."})
        found = notices.list_unrouted(connection, 10)
        assert [notice.event for notice in found] == ["disk.low", "backup.failed"]
        ids = [notice.id for notice in found]
        assert notices.mark_routed(connection, ids) == set(ids)
        assert notices.mark_routed(connection, ids) == set()
        assert not notices.is_any_unrouted(connection)
        gathered = {outbox.collect(connection, "ops", hook, [notice_id], later) for notice_id in ids}
        (alone,) = {outbox.collect(connection, "ops", hook, ids, 0.0)}
        assert len(gathered) == 1
        (due,) = due_deliveries.list_due(connection)
        assert (due.id, due.url, due.of_rule) == (alone, hook.url, True)
        assert due_deliveries.list_due(connection, due) == []
        claimed = due_deliveries.claim(connection, [alone, *gathered])
        assert [(delivery.id, delivery.rule, delivery.tries) for delivery in claimed] == [(alone, "ops", 1)]
        assert not notices.rules_noted_at(connection)
        notices.note_rules(connection)
        notices.note_rules(connection)
        assert 0 <= time.time() - (notices.rules_noted_at(connection) or 0) < 3600
        assert list(notices.of_delivery(connection, gathered.pop())) == found
        outbox.mark_delivered(connection, alone, 250)
    with writing(catalog) as connection:
        found_failures = new_failures.find(connection, time.time())
        assert new_failures.record(connection, found_failures)
        assert outbox.count_of_rules(connection) == {("ops", hook.url): {"delivered": 1, "waiting": 1}}
        conditions.observe(connection, [replace(trouble, present=False)], Timing(clear_after_s=0.0))
        assert conditions.list_all(connection) == {}
        (over,) = notices.list_unrouted(connection, 10)
        assert (over.event, over.cleared, over.facts) == ("disk.low", True, {"free_mb": 3})
    assert outbox.prune(catalog, time.time() + 60) == 1
    assert notices.prune(catalog, time.time() + 60) == 1  # of what is over, which no rule reports
    with catalog.connect() as connection:
        assert len(notices.list_unrouted(connection, 10)) == 0
        assert len(outbox.list_deliveries(connection)) == 1
