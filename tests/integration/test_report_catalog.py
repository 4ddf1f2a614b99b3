"""Reports on SQLite and PostgreSQL: every figure against a count of the planted rows by hand, and bounded work."""

from __future__ import annotations

import csv
import math
import random
import time
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from day_counts import count_day
from planted_jobs import STAGES, START, WORKER, Planted, of_job, plant
from sqlalchemy.engine import Engine

from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.schema import metadata
from pipeline.catalog.work import daily_metrics, events
from pipeline.catalog.work.daily_metrics import Day
from pipeline.catalog.work.report_scope import Scope
from pipeline.errors import BadRequest, UnknownId
from pipeline.reports import ReportQuery, file_name
from pipeline.reports.formats import writer_of
from pipeline.reports.gather import LISTED, find_scope, gather, iterate_documents
from pipeline.reports.texts import time_text
from pipeline.results import Report, iso

pytest_plugins = ("postgres_fixture",)


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres").create()
    engine = open_catalog(url)
    yield engine
    engine.dispose()


def report_of(catalog: Engine, query: ReportQuery, now: float = START + 5000) -> Report:
    with catalog.connect() as connection:
        return gather(connection, find_scope(connection, query, now))


def ranked(seconds: list[float], share: float) -> float:
    return sorted(seconds)[max(math.ceil(share * len(seconds)), 1) - 1]


def check_stages(report: Report, planted: Planted) -> None:
    durations: dict[str, list[float]] = defaultdict(list)
    for row in planted.rows["tasks"]:
        durations[row["stage"]].append(row["finished_at"] - row["started_at"])
    assert [stage.stage for stage in report.stages] == [stage for stage in STAGES if stage in durations]
    for stage in report.stages:
        seconds = durations[stage.stage]
        assert stage.tasks == len(seconds)
        assert stage.p50_s == pytest.approx(ranked(seconds, 0.5), abs=1e-5)
        assert stage.p95_s == pytest.approx(ranked(seconds, 0.95), abs=1e-5)
        assert stage.total_s == pytest.approx(sum(seconds), abs=1e-3)


def check_made(report: Report, made: list[dict[str, Any]]) -> None:
    """Pages, chunks and OCR against the versions of the completed documents."""
    for name in ("text", "ocr", "empty", "failed"):
        assert getattr(report.pages, name) == sum(version[f"pages_{name}"] for version in made)
    assert report.chunks == sum(version["chunks"] for version in made)
    read = [version for version in made if version["pages_ocr"]]
    known = [version["ocr_confidence"] for version in read if version["ocr_confidence"] is not None]
    assert (report.ocr.documents, report.ocr.pages) == (len(read), 3 * len(read))
    assert report.ocr.pages_with_confidence == 3 * len(known)
    assert report.ocr.mean_confidence == pytest.approx(sum(known) / len(known), abs=1e-4)
    assert report.ocr.lowest_confidence == min(known)


def check_intervals(report: Report, planted: Planted) -> None:
    length, versions = report.throughput.interval_s, {row["id"]: row for row in planted.rows["versions"]}
    outcomes = {row["attempt_id"]: row["outcome"] for row in planted.rows["submissions"]}
    expected: dict[int, Counter[str]] = defaultdict(Counter)
    for row in planted.rows["attempts"]:
        if row["state"] == outcomes[row["id"]] and row["state"] in ("completed", "failed"):
            place = int((row["finished_at"] - START) // length)
            chunks = versions[row["version_id"]]["chunks"] if row["state"] == "completed" else 0
            expected[place] += Counter({row["state"]: 1, "chunks": chunks})
    found = report.throughput.intervals
    assert len(found) <= 60
    for place, interval in enumerate(found):
        counts = Counter({"completed": interval.completed, "failed": interval.failed, "chunks": interval.chunks})
        assert counts == expected[place], place
    assert sum(expected[place]["completed"] for place in expected) == sum(interval.completed for interval in found)


def test_the_report_of_a_job_has_the_figures_that_one_counts_by_hand(catalog: Engine) -> None:
    with writing(catalog) as connection:
        planted = plant(connection, 400, random.Random(7), joined=0.3)
        plant(connection, 30, random.Random(8))  # another job, which is not counted
    report = report_of(catalog, ReportQuery(planted.job))
    rows = of_job(planted)

    assert report.job is not None
    assert (report.job.id, report.documents, report.is_running) == (planted.job, 400, False)
    assert report.states == Counter(row["state"] for row in rows)
    assert report.bytes == sum(row["size"] for row in rows)
    assert {code.code: code.documents for code in report.failure_codes} == Counter(
        row["code"] for row in rows if row["state"] == "failed"
    )
    check_made(report, [row["version"] for row in rows if row["version"]])
    check_stages(report, planted)
    check_intervals(report, planted)
    for found in report.formats:
        same = [row for row in rows if row["media_type"] == found.media_type]
        assert (found.documents, found.bytes) == (len(same), sum(row["size"] for row in same))
        assert found.chunks == sum(row["version"]["chunks"] for row in same if row["version"])
    assert sum(found.documents for found in report.formats) == 400
    completed = report.states["completed"]
    assert report.throughput.documents_per_s == pytest.approx(completed / 900, abs=1e-4)

    failed = sorted(row["source"] for row in rows if row["state"] == "failed")
    assert [row.source for row in report.failures] == failed[:LISTED]
    assert report.more_failures == max(len(failed) - LISTED, 0)
    for row in report.failures:
        assert (row.hint, row.stage) == (f"Mend {row.code}.", "extract")
        assert row.worker == (None if row.code == "too_large" else WORKER.partition("/")[0])
    assert [row.source for row in report.documents_listed] == sorted(row["source"] for row in rows)[:LISTED]
    assert report.more_documents == 400 - LISTED
    assert report.days == []
    joined = sum(row["job_id"] != planted.job for row in planted.rows["attempts"])
    (note,) = report.notes
    assert note.startswith(f"Another job was ingesting {joined} of the documents already")


def test_the_report_of_a_day_has_the_numbers_of_its_stored_row(catalog: Engine) -> None:
    day = Day("2026-05-28", START - 100, START + 86_300)
    with writing(catalog) as connection:
        planted = plant(connection, 600, random.Random(9))
        daily_metrics.store(connection, daily_metrics.compute(connection, day))
    with catalog.connect() as connection:
        counted = count_day(connection, day.start, day.end)
        report = gather(connection, Scope(day.start, day.end))
    (row,) = report.days
    assert row.day == day.date
    assert row.documents == counted["documents"] == report.states["completed"]
    assert row.unchanged == counted["unchanged"] == report.states["unchanged"]
    assert row.failures == counted["failures"] == {code.code: code.documents for code in report.failure_codes}
    assert row.failed == counted["failed"] == report.states["failed"]
    assert (row.chunks, row.pages_ocr) == (report.chunks, report.pages.ocr)
    assert {stage.stage: (stage.tasks, stage.p95_s) for stage in report.stages} == {
        name: (stage.tasks, stage.p95_s) for name, stage in row.stages.items()
    }
    check_made(report, [row["version"] for row in of_job(planted) if row["version"]])
    check_stages(report, planted)
    with catalog.connect() as connection:
        streamed = list(iterate_documents(connection, Scope(day.start, day.end)))
    assert Counter(row.state for row in streamed) == {state: report.states[state] for state in ("completed", "failed")}
    assert len(streamed) - LISTED == report.more_documents


DAY_S = 86_400.0


def days_of(number: int) -> list[Day]:
    return [Day(f"day-{place:02}", START + place * DAY_S, START + (place + 1) * DAY_S) for place in range(number)]


def plant_days(catalog: Engine, days: list[Day], *, kept_from: float) -> Planted:
    """Documents that ended in these days, whose numbers are stored; the events before a time are pruned."""
    lasts_s = days[-1].end - START
    with writing(catalog) as connection:
        planted = plant(connection, 400, random.Random(21), lasts_s=lasts_s)
        for day in days:
            daily_metrics.store(connection, daily_metrics.compute(connection, day))
    events.prune(catalog, kept_from)
    return planted


def ended(planted: Planted, since: float, until: float) -> tuple[Counter[str], Counter[str]]:
    """The documents that ended in a time by state, and the failed ones by code."""
    of = {row["document_id"]: row for row in of_job(planted)}
    done = [(row["at"], row["document_id"], row["kind"].removeprefix("document.")) for row in planted.rows["events"]]
    within = [(document, state) for at, document, state in done if since <= at < until]
    codes = Counter(of[document]["code"] for document, state in within if state == "failed")
    return Counter(state for _, state in within), codes


def test_a_report_beyond_the_events_that_are_kept_takes_the_numbers_of_days(catalog: Engine) -> None:
    """Forty days, of which ten still have their events; the tenth-last day has a part of them."""
    days, kept_from = days_of(40), START + 30.4 * DAY_S
    planted = plant_days(catalog, days, kept_from=kept_from)
    states, codes = ended(planted, START, days[-1].end)
    with catalog.connect() as connection:
        report = gather(connection, Scope(START, days[-1].end))
        listed = [row for row in iterate_documents(connection, Scope(START, days[-1].end)) if row.state == "failed"]
    assert report.states == states
    assert {code.code: code.documents for code in report.failure_codes} == codes
    kept = ended(planted, kept_from, days[-1].end)[0]["failed"]
    assert len(report.failures) == len(listed) == kept < states["failed"]
    assert report.more_failures == 0
    assert report.notes == [
        f"{states['failed'] - kept} failed documents are counted and not listed: their events are not kept any more."
    ]


def test_a_report_says_of_which_time_it_does_not_know_what_failed(catalog: Engine) -> None:
    """The span begins in the middle of a day whose events are gone, and the numbers of a later day were not stored."""
    days, kept_from = days_of(40), START + 30.4 * DAY_S
    planted = plant_days(catalog, [*days[:7], *days[8:]], kept_from=kept_from)
    since, until = START + 2.5 * DAY_S, days[-1].end
    with catalog.connect() as connection:
        report = gather(connection, Scope(since, until))
        later = gather(connection, Scope(kept_from, until))
    known = [(days[3].start, days[7].start), (days[8].start, until)]
    expected = sum((ended(planted, *part)[0] for part in known), Counter[str]())
    assert {state: report.states[state] for state in ("failed", "unchanged")} == {
        state: expected[state] for state in ("failed", "unchanged")
    }
    assert report.states["completed"] == ended(planted, since, until)[0]["completed"]
    begin, end = (time_text(iso(at)) for at in (since, days[8].start))
    assert report.notes[0].startswith(f"Failed and unchanged documents between {begin} and {end} are not all counted")
    assert later.notes == []


def test_a_superseded_attempt_is_no_document_that_was_cancelled(catalog: Engine) -> None:
    with writing(catalog) as connection:
        planted = plant(connection, 100, random.Random(22))
        table = metadata.tables["attempts"]
        cancelled = [row["id"] for row in planted.rows["attempts"] if row["state"] == "cancelled"]
        connection.execute(table.update().where(table.c.id.in_(cancelled[:3])).values(code="superseded"))
    with catalog.connect() as connection:
        report = gather(connection, Scope(START, START + 900))
    assert report.states["cancelled"] == len(cancelled) - 3 > 0


def test_the_time_by_stage_says_which_tasks_are_gone(catalog: Engine) -> None:
    with writing(catalog) as connection:
        planted = plant(connection, 60, random.Random(23))
        rows = [row for row in planted.rows["attempts"] if row["state"] == "completed"]
        table, gone = metadata.tables["attempts"], sorted(rows, key=lambda row: row["finished_at"])[:5]
        connection.execute(table.update().values(batch_id="b"))
        connection.execute(table.update().where(table.c.id.in_([row["id"] for row in gone])).values(batch_id="gone"))
    until = time_text(iso(gone[-1]["finished_at"]))
    with catalog.connect() as connection:
        for scope in (Scope(START, START + 900), find_scope(connection, ReportQuery(planted.job), START)):
            assert gather(connection, scope).notes == [
                f"Time by stage leaves out what ended until {until}: tasks are kept for a few days."
            ]


def test_a_reindex_is_not_in_the_report_of_a_span(catalog: Engine) -> None:
    with writing(catalog) as connection:
        planted = plant(connection, 40, random.Random(10))
        columns = {"id": "r", "job_id": planted.job, "collection": "documents", "from_index": "a", "to_index": "b"}
        times = {"created_at": START, "entered_at": START}
        more = {"state": "done", "paused": False, "options": {}, "fed": 0}
        connection.execute(metadata.tables["reindexes"].insert().values(**columns, **times, **more))
    with catalog.connect() as connection:
        report = gather(connection, Scope(START, START + 900))
    assert report.states == {}
    assert (report.chunks, report.failures, report.documents_listed) == (0, [], [])


def test_a_time_in_which_nothing_happened_is_an_empty_report(catalog: Engine) -> None:
    report = report_of(catalog, ReportQuery(since="2001-01-01", until="2001-01-02"))
    assert (report.documents, report.states, report.stages, report.failures) == (0, {}, [], [])
    assert report.throughput.intervals == []


def test_what_is_not_there_and_what_cannot_be_asked_is_refused(catalog: Engine) -> None:
    with pytest.raises(UnknownId):
        report_of(catalog, ReportQuery("00000000-0000-0000-0000-000000000000"))
    with pytest.raises(BadRequest):
        report_of(catalog, ReportQuery(since="2001-01-02", until="2001-01-01"))
    with pytest.raises(BadRequest):
        report_of(catalog, ReportQuery(since="noon"))
    with pytest.raises(BadRequest):
        ReportQuery("x", since="2h")
    ages = report_of(catalog, ReportQuery(since="999999999w"))
    assert ages.since.startswith("1970-01-01")


def test_a_running_job_says_so(catalog: Engine) -> None:
    with writing(catalog) as connection:
        planted = plant(connection, 20, random.Random(11))
        table = metadata.tables["jobs"]
        connection.execute(table.update().where(table.c.id == planted.job).values(finished_at=None, outcome=None))
    report = report_of(catalog, ReportQuery(planted.job[:12]))
    assert report.job is not None
    assert (report.is_running, report.job.state) == (True, "running")


@pytest.mark.parametrize("name", ["csv", "xlsx"])
def test_every_document_is_written_and_memory_does_not_grow_with_them(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times as many documents take no more than a little more memory."""
    monkeypatch.setattr("pipeline.reports.xlsx.MOST_ROWS", 4000)
    engine = open_catalog(sqlite_url(tmp_path))
    peaks, chance = {}, random.Random(12)
    for number in (1000, 10_000):
        with writing(engine) as connection:
            planted = plant(connection, number, chance)
        path = tmp_path / f"{number}.{name}"
        with engine.connect() as connection:
            scope = find_scope(connection, ReportQuery(planted.job), time.time())
            report = gather(connection, scope)
            list(islice(iterate_documents(connection, scope), 1))  # what is compiled once is not counted
            tracemalloc.start()
            writer_of(name)(report, iterate_documents(connection, scope), path)
            peaks[number] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert read_states(path) == Counter(row["state"] for row in of_job(planted))
    engine.dispose()
    assert peaks[10_000] < peaks[1000] + 3_000_000, peaks


def read_states(path: Path) -> Counter[str]:
    """The states of all documents of a file."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return Counter(row["state"] for row in csv.DictReader(lines))
    workbook = openpyxl.load_workbook(path, read_only=True)
    sheets = [
        sheet for sheet in workbook.worksheets if sheet.title.startswith("Documents ") or sheet.title == "Documents"
    ]
    sheets = [sheet for sheet in sheets if sheet["B1"].value == "state" and sheet["A1"].value == "source"]
    return Counter(row[1] for sheet in sheets for row in sheet.iter_rows(min_row=2, values_only=True))


def test_the_name_of_a_file_says_what_it_is_about() -> None:
    assert file_name(ReportQuery(), "csv") == "docrelay-report-last-day.csv"
    assert (
        file_name(ReportQuery(since="2026-11-28", until="../../x"), "pdf")
        == "docrelay-report-2026-11-28-to-------x.pdf"
    )


def test_no_report_scans_a_table(tmp_path: Path) -> None:
    """What a report reads of its job or span is found by indexes, however much else there is."""
    engine, plans = open_catalog(sqlite_url(tmp_path)), []
    with writing(engine) as connection:
        planted = plant(connection, 50, random.Random(13))

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            explained = cursor.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in explained.fetchall())

    sa.event.listen(engine, "before_cursor_execute", explain)
    with engine.connect() as connection:
        gather(connection, find_scope(connection, ReportQuery(planted.job), time.time()))
        of_job = list(plans)
        gather(connection, Scope(START, START + 900))
    engine.dispose()
    assert len(of_job) > 20
    assert [step for step in of_job if "ix_attempts_state" in step] == []  # all that were ever completed
    assert [step for step in plans if step.startswith("SCAN") and "daily_metrics" not in step] == []
