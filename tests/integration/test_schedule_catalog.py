"""What the schedule keeps in the catalog, on SQLite and PostgreSQL: claims, numbers of days, what is removed when."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from day_counts import count_day
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.api import idempotency, keys
from pipeline.catalog.database import slices
from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.schema import metadata
from pipeline.catalog.documents import records
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import (
    archived_failures,
    attempts,
    batches,
    daily_metrics,
    events,
    failures,
    jobs,
    ledger,
    notices,
    old_jobs,
    outbox,
    scheduled_runs,
)
from pipeline.catalog.work.daily_metrics import Day
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.errors.problem import Problem

pytest_plugins = ("postgres_fixture",)

DAY_S = 86400.0
CORRUPT, ENCRYPTED = (
    Failure(stage, Problem(code, "It failed.", "Mend it."))
    for stage, code in (("extract", "corrupt"), ("extract", "encrypted"))
)


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres").create()
    engine = open_catalog(url)
    yield engine
    engine.dispose()


def begin_job(connection: Connection) -> str:
    return jobs.create(connection, Job("documents", "ingest", 5), "request", 1000).id


def take(connection: Connection, job: str, source: str, content: str = "a") -> Recorded:
    return records.record(connection, job, "recipe", FileRecord(source, content * 64, 100, 1_700_000_000.0))


def snapshot(engine: Engine) -> dict[str, Counter[str]]:
    """Every row of every table, as text."""
    with engine.connect() as connection:
        return {
            name: Counter(str(tuple(row)) for row in connection.execute(sa.select(table)))
            for name, table in metadata.tables.items()
        }


def gone(before: dict[str, Counter[str]], after: dict[str, Counter[str]]) -> dict[str, int]:
    """How many rows are gone by table; no row may have come."""
    assert {name: after[name] - before[name] for name in before if after[name] - before[name]} == {}
    return {name: number for name in before if (number := (before[name] - after[name]).total())}


def test_of_many_workers_that_find_a_run_due_one_gets_it(catalog: Engine) -> None:
    with writing(catalog) as connection:
        scheduled_runs.add(connection, "clean_up", 1000.0)
    for number in range(5):
        with catalog.connect() as connection:
            seen = scheduled_runs.find(connection, "clean_up")
        assert seen is not None
        gate, got = threading.Barrier(6), []

        def claim(worker: str, seen: Any = seen, gate: threading.Barrier = gate, got: list[Any] = got) -> None:
            gate.wait()
            with writing(catalog) as connection:
                got.append(scheduled_runs.begin(connection, seen, worker, seen.due_at + 60, 1))

        threads = [threading.Thread(target=claim, args=(f"worker-{name}",)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (run,) = [run for run in got if run is not None]
        with catalog.connect() as connection:
            assert scheduled_runs.find(connection, "clean_up") == run
        assert (run.runs, run.due_at, run.state) == (number + 1, 1000.0 + 60 * (number + 1), "running")
        with writing(catalog) as connection:
            assert scheduled_runs.end(connection, run, 0.5, None, {"deleted": number})
            assert not scheduled_runs.end(connection, run, 0.5, "twice", None), "a run ends once"


def test_a_process_that_lost_its_run_cannot_end_the_next_one(catalog: Engine) -> None:
    with writing(catalog) as connection:
        first = scheduled_runs.begin(connection, scheduled_runs.add(connection, "verify", 10.0), "frozen", 20.0, 1)
        assert first is not None
        second = scheduled_runs.begin(connection, first, "other", 20.0, 2)
        assert second is not None
        assert not scheduled_runs.end(connection, first, 9.0, None, {"of": "the first"})
        assert scheduled_runs.find(connection, "verify") == second
        assert scheduled_runs.end(connection, second, 1.0, "It failed.", None)
        ended = scheduled_runs.find(connection, "verify")
        assert ended is not None
        assert (ended.outcome, ended.error, ended.tries, ended.duration_s) == ("failed", "It failed.", 2, 1.0)
        assert not scheduled_runs.give_up(connection, second, "too late")


def test_who_asks_for_a_run_that_is_under_way_gets_that_run(catalog: Engine) -> None:
    with writing(catalog) as connection:
        scheduled_runs.request(connection, "health")
        asked = scheduled_runs.find(connection, "health")
        assert asked is not None
        assert asked.requested_at is not None
        run = scheduled_runs.begin(connection, asked, "worker", asked.due_at, 1)
        assert run is not None
        scheduled_runs.request(connection, "health")
        assert scheduled_runs.find(connection, "health") == run
        assert run.requested_at is None


MADE = "SELECT version_id FROM attempts WHERE id = :id"


def plant_day(connection: Connection, day: Day, chance: random.Random) -> None:
    """Documents that end before, during and after a day, in every way, and tasks of any duration."""
    reindex = begin_job(connection)
    begin_reindex(connection, reindex)
    for number in range(60):
        job = reindex if number % 9 == 8 else begin_job(connection)
        taken = take(connection, job, f"/srv/{number}", chance.choice("abcdef"))
        batch = batches.create(connection, job, 5, [str(taken.attempt_id)], active=True)
        ledger.add_due(connection, [(batch, stage, 0, None) for stage in ("extract", "embed")])
        outcome = chance.choice(["completed", "completed", "failed", "unchanged"])
        if outcome == "failed":
            attempts.fail(connection, {str(taken.attempt_id): chance.choice([CORRUPT, ENCRYPTED])})
        else:
            attempts.complete(connection, [str(taken.attempt_id)])
        if outcome == "unchanged":
            events.add(connection, "document.unchanged", [(job, taken.document_id)])
        moment = chance.uniform(day.start - DAY_S, day.end + DAY_S)
        parameters = {"at": moment, "job": job, "id": taken.attempt_id, "batch": batch}
        parameters |= {"chunks": chance.randint(1, 50), "pages": chance.randint(0, 5)}
        for statement in (
            "UPDATE attempts SET finished_at = :at WHERE id = :id",
            "UPDATE events SET at = :at WHERE document_id = (SELECT document_id FROM attempts WHERE id = :id)",
            f"UPDATE versions SET chunks = :chunks, pages_ocr = :pages WHERE id = ({MADE})",
        ):
            connection.execute(sa.text(statement), parameters)
        for stage in ("extract", "embed"):
            parameters |= {"stage": stage, "began": moment - chance.expovariate(0.2)}
            ended = "UPDATE tasks SET state = 'done', started_at = :began, finished_at = :at"
            connection.execute(sa.text(f"{ended} WHERE batch_id = :batch AND stage = :stage"), parameters)


def begin_reindex(connection: Connection, job: str) -> None:
    table = metadata.tables["reindexes"]
    row: dict[str, Any] = {"id": job, "job_id": job, "collection": "documents", "from_index": "a", "to_index": "b"}
    row |= {"state": "done", "paused": False, "options": {}, "fed": 0, "created_at": 0.0, "entered_at": 0.0}
    connection.execute(table.insert().values(row))


def test_the_numbers_of_a_day_are_those_that_one_counts_by_hand(catalog: Engine) -> None:
    start = 1_780_000_000.0
    day = Day("2026-05-28", start, start + DAY_S)
    with writing(catalog) as connection:
        plant_day(connection, day, random.Random(3))
    with catalog.connect() as connection:
        numbers = daily_metrics.compute(connection, day)
        expected = count_day(connection, day.start, day.end)
    assert expected["documents"] > 5
    assert len(expected["failures"]) == 2
    assert expected["stages"].keys() == {"extract", "embed"}
    assert numbers == {"day": day.date, "started_at": day.start, "ended_at": day.end, **expected}
    for _ in range(2):
        with writing(catalog) as connection:
            daily_metrics.store(connection, numbers)
    with catalog.connect() as connection:
        (row,) = daily_metrics.list_days(connection, "2026-05-01", 10)
        assert {name: row[name] for name in numbers} == numbers
        assert daily_metrics.list_days(connection, "2026-05-29", 10) == []
        assert daily_metrics.stored_until(connection) == day.end


def test_a_day_without_work_has_zeros(catalog: Engine) -> None:
    with catalog.connect() as connection:
        numbers = daily_metrics.compute(connection, Day("2026-05-28", 0.0, DAY_S))
    assert (numbers["documents"], numbers["chunks"], numbers["failures"], numbers["stages"]) == (0, 0, {}, {})


def fail_documents(connection: Connection, *sources: str) -> str:
    job = begin_job(connection)
    for source in sources:
        records.reject(connection, job, source, 10, CORRUPT)
    return job


def test_old_failures_are_archived_as_they_were_and_young_ones_stay(catalog: Engine) -> None:
    with writing(catalog) as connection:
        fail_documents(connection, *(f"/old/{number}" for number in range(7)), "/young", "/quarantined")
        table = metadata.tables["failures"]
        connection.execute(table.update().where(table.c.source != "/young").values(created_at=1000.0))
        connection.execute(table.update().where(table.c.source == "/quarantined").values(fatal_attempts=3))
        before = {row["source"]: dict(row) for row in connection.execute(sa.select(table)).mappings()}
    where = FailureFilter(before=2000.0, quarantined=False, quarantine_after=3)
    with writing(catalog) as connection:
        assert [archived_failures.archive(connection, where, 5, keep=True) for _ in range(3)] == [5, 2, 0]
    with catalog.connect() as connection:
        left = set(connection.scalars(sa.select(table.c.source)))
        first, following = archived_failures.list_archived(connection, None, 5)
        second, end = archived_failures.list_archived(connection, following, 5)
    assert left == {"/young", "/quarantined"}
    assert (len(first), len(second), end) == (5, 2, None)
    for row in [*first, *second]:
        kept = before[row["source"]]
        assert {name: row[name] for name in archived_failures.COPIED} == {
            name: kept[name] for name in archived_failures.COPIED
        }
    with writing(catalog) as connection:
        assert archived_failures.archive(connection, FailureFilter(before=time.time() + 60), 10, keep=False) == 2
        assert failures.count_of_documents(connection, [row["document_id"] for row in before.values()]) == 0


def test_jobs_of_which_nothing_is_left_go_and_no_others(catalog: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "ROWS", 3)
    with writing(catalog) as connection:
        made = begin_job(connection)
        kept = [take(connection, made, f"/srv/{number}") for number in range(10)]
        attempts.complete(connection, [str(taken.attempt_id) for taken in kept])
        make_live(connection, kept)
        unchanged = [begin_job(connection) for _ in range(3)]
        for job in unchanged:
            outcomes = [take(connection, job, f"/srv/{number}").outcome for number in range(10)]
            assert set(outcomes) == {"unchanged"}
        failed = fail_documents(connection, "/broken")
        replaced = begin_job(connection)
        first = take(connection, replaced, "/replaced", "b")
        attempts.complete(connection, [str(first.attempt_id)])
        newer = begin_job(connection)
        second = take(connection, newer, "/replaced", "c")
        attempts.complete(connection, [str(second.attempt_id)])
        make_live(connection, [second])
        reindex = begin_job(connection)
        begin_reindex(connection, reindex)
        running, young = begin_job(connection), begin_job(connection)
        table = metadata.tables["jobs"]
        connection.execute(table.update().where(table.c.id != running).values(finished_at=1000.0))
        connection.execute(table.update().where(table.c.id == young).values(finished_at=3000.0))
    before = snapshot(catalog)
    assert old_jobs.delete_old(catalog, 2000.0) == 4
    assert gone(before, snapshot(catalog)) == {"jobs": 4, "submissions": 31}
    with catalog.connect() as connection:
        left = set(connection.scalars(sa.select(table.c.id)))
    assert left == {made, failed, newer, reindex, running, young}
    assert old_jobs.delete_old(catalog, 2000.0) == 0


def make_live(connection: Connection, group: list[Recorded]) -> None:
    """Let readers see what these attempts have made."""
    for taken in group:
        statement = f"UPDATE documents SET live_version_id = ({MADE}) WHERE id = :document"
        connection.execute(sa.text(statement), {"id": taken.attempt_id, "document": taken.document_id})


def test_old_rows_go_a_few_at_a_time_and_no_others(catalog: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "ROWS", 4)
    with writing(catalog) as connection:
        job = begin_job(connection)
        events.add(connection, "document.extracting", [(job, str(number)) for number in range(11)])
        connection.execute(sa.text("UPDATE events SET at = 1000 WHERE document_id < '5'"))
        taken = [take(connection, job, f"/srv/{number}") for number in range(3)]
        for position, state in enumerate(("done", "done", "active")):
            batch = batches.create(connection, job, 5, [str(taken[position].attempt_id)], active=True)
            ledger.add_due(connection, [(batch, "extract", part, None) for part in range(3)])
            row = {"state": state, "at": [1000.0, 5000.0, None][position], "id": batch}
            connection.execute(sa.text("UPDATE batches SET state = :state, finished_at = :at WHERE id = :id"), row)
        old = {str(number) for number in range(11) if str(number) < "5"}
    before = snapshot(catalog)
    assert events.prune(catalog, 2000.0) == len(old) == 6
    assert ledger.prune(catalog, 2000.0) == 3
    assert gone(before, snapshot(catalog)) == {"events": 6, "tasks": 3}


def test_old_notices_deliveries_answers_and_archived_failures_go_a_few_at_a_time_and_no_others(
    catalog: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "ROWS", 4)
    hook = outbox.Hook("mailto:ops@example.org", "")
    with writing(catalog) as connection:
        for number in range(24):
            notices.add(connection, "backup.failed", str(number), "error", {})
            idempotency.store_answer(connection, f"scope-{number:02}", "request", {})
        ids = [notice.id for notice in notices.list_unrouted(connection, 100)]
        # One delivery with many notices, one that waits, and notices that no rule reports.
        ended = outbox.collect(connection, "ops", hook, ids[:10], 0.0)
        outbox.collect(connection, "ops", hook, ids[10:13], 0.0)
        outbox.mark_delivered(connection, ended, 250)
        fail_documents(connection, *(f"/old/{number}" for number in range(9)))
        archived_failures.archive(connection, FailureFilter(before=time.time() + 60), 100, keep=True)
        for table, column, row in (
            ("notices", "at", "CAST(subject AS INTEGER) < 20"),
            ("deliveries", "ended_at", f"id = '{ended}'"),
            ("answers", "created_at", "scope < 'scope-11'"),
            ("archived_failures", "archived_at", "source < '/old/7'"),
        ):
            connection.execute(sa.text(f"UPDATE {table} SET {column} = 1000 WHERE {row}"))
    before = snapshot(catalog)
    assert outbox.prune(catalog, 2000.0) == 1
    assert notices.prune(catalog, 2000.0) == 17
    assert idempotency.prune(catalog, 2000.0) == 11
    assert archived_failures.prune(catalog, 2000.0) == 7
    assert gone(before, snapshot(catalog)) == {
        "deliveries": 1,
        "delivery_notices": 10,
        "notices": 17,
        "answers": 11,
        "archived_failures": 7,
    }


def test_revoked_keys_go_but_never_the_newest(catalog: Engine) -> None:
    """As long as a key exists, the API asks for one: it must not open because the last one was revoked long ago."""
    with writing(catalog) as connection:
        made = [keys.create(connection, f"key {number}", ["read"], 0)[0].id for number in range(4)]
        for number, key in enumerate(made):
            created = sa.text("UPDATE api_keys SET created_at = :at WHERE id = :id")
            connection.execute(created, {"at": number, "id": key})
            outbox.attach_to_key(connection, key, outbox.Hook("http://hook.example/", "x" * 16))
        for key in (made[0], made[2], made[3]):
            keys.revoke(connection, key)
        assert keys.prune(connection, time.time() - 60) == 0
        assert keys.prune(connection, time.time() + 60) == 2
        assert [key.id for key in keys.list_keys(connection)] == [made[1], made[3]]
        assert keys.is_any_created(connection)
        left = sa.text("SELECT key_id FROM hooks ORDER BY key_id")
        assert set(connection.scalars(left)) == {made[1], made[3]}
