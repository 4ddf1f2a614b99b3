"""The schedule of a live stack whose clock the tests move: runs on request, kills, errors, a night.

All processes of the stack read a clock that is shifted against the machine's (libfaketime); it begins at noon of the
next day in Berlin. The tests share the stack, and the one about the night goes last but one.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from api_rig import Api, api_on
from day_counts import count_day
from documented_rows import documented_rows
from flow_tools import eventually, write_documents, write_scan
from shifted_clock import ShiftedClock
from smtp_server import MailHost, mail_host

from pipeline.errors import UnknownId
from pipeline.gates_for_tests import SCHEDULED
from pipeline.results import DailyMetrics, ScheduledEntry
from pipeline.schedule.decision import TRIES

EDITORS = "editors@example.org"
BERLIN = ZoneInfo("Europe/Berlin")
DAY_S = 86400.0
NAMES = ["metrics", "clean_up", "failures", "verify", "health", "expiry"]


@dataclass
class Rig:
    """The stack, and the clock that its processes read."""

    api: Api
    clock: ShiftedClock
    mail: MailHost

    @property
    def now(self) -> float:
        """The time that the stack reads."""
        return time.time() + self.clock.shift_s

    def set_clock(self, moment: datetime) -> None:
        """Let the stack read this time, from which its clock goes on."""
        self.clock.set(moment.timestamp() - time.time())

    def entry(self, name: str) -> ScheduledEntry:
        return next(entry for entry in self.api.client.schedule().entries if entry.name == name)

    def ended(self, name: str, runs: int) -> ScheduledEntry:
        """An entry when its run of this number is over."""
        found: list[ScheduledEntry] = []

        def is_over() -> bool:
            found[:] = [self.entry(name)]
            return found[0].runs >= runs and found[0].state == "idle"

        assert eventually(is_over, 240, 0.2), found
        return found[0]

    def run(self, name: str) -> ScheduledEntry:
        """Run an entry now, to its end."""
        before = self.entry(name).runs
        self.api.client.run_schedule(name)
        return self.ended(name, before + 1)

    def raw(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the catalog by plain SQL, past all our code; a statement that writes is committed."""
        with closing(sqlite3.connect(self.api.cli.folder / "catalog.db", timeout=60)) as connection, connection:
            return connection.execute(query, values).fetchall()

    def files(self) -> set[str]:
        """Every file of the spool and the folder for temporary files."""
        folders = [self.api.cli.folder / name for name in ("spool", "tmp")]
        return {str(path) for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., None]) -> Iterator[Rig]:
    needs("faketime", "tesseract")
    folder = tmp_path_factory.mktemp("schedule")
    clock = ShiftedClock(folder)
    noon = datetime.now(BERLIN).replace(hour=12, minute=10, second=0) + timedelta(days=1)
    clock.set(noon.timestamp() - time.time())
    with mail_host(folder / "mail", "plain") as mail, pytest.MonkeyPatch.context() as patch:
        for name, value in {**clock.environment, "TZ": "Europe/Berlin"}.items():
            patch.setenv(name, value)
        with api_on(folder / "data", verify_days=1.0, **digest_by(mail)) as api:
            # What the test itself starts reads the machine's clock.
            patch.delenv("LD_PRELOAD")
            rig = Rig(api, clock, mail)
            assert eventually(lambda: len(rig.raw("SELECT name FROM scheduled")) == len(NAMES))
            yield rig
            for name, value in clock.environment.items():
                patch.setenv(name, value)


def digest_by(mail: MailHost) -> dict[str, Any]:
    """Settings: the failures of half a day come in one mail."""
    rule = {"name": "editors", "events": ["documents.failed"], "to": [f"mailto:{EDITORS}"], "digest_s": 43_200}
    sending = {"smtp_url": f"smtp+plain://localhost:{mail.port}", "smtp_from": "docrelay@example.org"}
    return {**sending, "notify": json.dumps([rule]), "notify_check_s": 1.0}


def digests(rig: Rig) -> list[str]:
    """The text of each mail about the damaged file of the night."""
    parts = [mail.message.get_body(("plain",)) for mail in rig.mail.taken(EDITORS)]
    texts = [part.get_content() for part in parts if part is not None]
    return [text for text in texts if "broken.pdf" in text]


def test_entries_are_listed_with_the_next_time_of_the_clock(rig: Rig) -> None:
    listed = rig.api.client.schedule()
    assert ([entry.name for entry in listed.entries], listed.time_zone) == (NAMES, "Europe/Berlin")
    today = datetime.fromtimestamp(rig.now, BERLIN).replace(minute=0, second=0, microsecond=0)
    tomorrow = (today + timedelta(days=1)).replace(hour=0)
    expected = {"metrics": tomorrow.replace(hour=1), "clean_up": tomorrow.replace(hour=2)}
    expected |= {"failures": tomorrow.replace(hour=2, minute=30), "verify": tomorrow.replace(hour=3)}
    for name, moment in expected.items():
        assert datetime.fromisoformat(str(rig.entry(name).next_run)) == moment
    assert datetime.fromisoformat(str(rig.entry("health").next_run)) == today + timedelta(hours=1)
    assert all(entry.last_run is None for entry in listed.entries if entry.name in expected)


def test_health_looks_at_every_part(rig: Rig) -> None:
    run = rig.run("health").last_run
    assert run is not None
    assert (run.outcome, run.error) == ("done", None)
    described = rig.api.http.get("/health").json()["parts"]
    assert set((run.result or {})["parts"]) == {part["name"] for part in described}


def test_an_entry_that_does_not_exist_is_named(rig: Rig) -> None:
    with pytest.raises(UnknownId, match="no entry siesta"):
        rig.api.client.run_schedule("siesta")
    ended = rig.api.cli.quick("schedule", "run", "siesta", "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, "unknown_id")
    misplaced = rig.api.cli.quick("schedule", "--json", "run", "health")
    assert (misplaced.code, misplaced.json["error"]["hint"]) == (2, "Say: docrelay schedule run --json …")


def test_a_killed_run_is_begun_again_and_others_do_not_wait_for_it(rig: Rig) -> None:
    gates, runs = rig.api.cli.gates, rig.entry("expiry").runs
    with gates.closed(SCHEDULED + "expiry"):
        rig.api.client.run_schedule("expiry")
        (waiting,) = gates.arrived(SCHEDULED + "expiry")
        assert waiting.part == "store"
        rig.api.client.run_schedule("expiry")
        assert rig.entry("expiry").state == "running"
        assert rig.run("failures").last_run.outcome == "done"  # type: ignore[union-attr]
        os.kill(waiting.pid, signal.SIGKILL)
        assert eventually(lambda: rig.entry("expiry").runs == runs + 2, 240)
        (again,) = gates.arrived(SCHEDULED + "expiry")
        assert again.pid != waiting.pid
    run = rig.ended("expiry", runs + 2).last_run
    assert run is not None
    assert (run.outcome, run.tries) == ("done", 2)
    assert rig.raw("SELECT runs, tries, outcome FROM scheduled WHERE name = 'expiry'") == [(runs + 2, 2, "done")]


def test_a_run_that_always_dies_is_given_up(rig: Rig) -> None:
    runs = rig.entry("expiry").runs
    deaths = [rig.api.cli.gates.kill(SCHEDULED + "expiry") for _ in range(TRIES)]
    rig.api.client.run_schedule("expiry")
    run = rig.ended("expiry", runs + TRIES).last_run
    assert run is not None
    assert (run.outcome, run.tries) == ("lost", TRIES)
    assert "ended before the run did" in str(run.error)
    assert not any(death.exists() for death in deaths)
    noted = "SELECT subject, cleared FROM notices WHERE event = 'schedule.failed' ORDER BY at"
    assert rig.raw(noted) == [("expiry", 0)]
    assert rig.run("expiry").last_run.outcome == "done"  # type: ignore[union-attr]
    assert rig.raw(noted) == [("expiry", 0), ("expiry", 1)]


def test_an_error_is_in_the_list_and_stops_no_other_entry(rig: Rig) -> None:
    rig.raw("CREATE TRIGGER refuse BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'not today'); END")
    rig.raw("INSERT INTO events (at, job_id, kind, data) VALUES (1000, 'old', 'job.finished', '{}')")
    try:
        run = rig.run("clean_up").last_run
        assert run is not None
        assert run.outcome == "failed"
        assert "not today" in str(run.error)
        assert rig.run("expiry").last_run.outcome == "done"  # type: ignore[union-attr]
        ended = rig.api.cli.quick("schedule", "run", "clean_up")
        assert ended.code == 1
        assert "not today" in ended.out
        assert "not today" in rig.api.cli.quick("schedule").out
    finally:
        rig.raw("DROP TRIGGER refuse")
    run = rig.run("clean_up").last_run
    assert run is not None
    assert (run.outcome, run.error) == ("done", None)
    assert rig.raw("SELECT * FROM events WHERE job_id = 'old'") == []


def plant(rig: Rig) -> set[str]:
    """Files that no document needs, as old as the clean-up waits for; the paths."""
    data = rig.api.cli.folder
    ages = {"texts/ab/abcd.txt-1-x": 0.1, "originals/ab/abcd.txt": 0.1, "batches/unknown/text-1": 1.1}
    ages |= {"ocr/ab/abcd.pdf-2-x/page-1": 7.1}
    planted = set()
    for name, days in ages.items():
        path = data / "spool" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not needed")
        # The clock of the stack shifts the times of files with it.
        moment = time.time() - days * DAY_S
        for aged in (path, path.parent):
            os.utime(aged, (moment, moment))
        planted.add(str(path))
    return planted


def rows_of(rig: Rig) -> dict[str, set[tuple[Any, ...]]]:
    """Ids of all rows of the tables that the clean-up may touch."""
    ids = {"jobs": "id", "documents": "id", "versions": "id", "attempts": "id", "batches": "id", "tasks": "id"}
    ids |= {"failures": "id", "events": "id", "attempt_errors": "id", "submissions": "job_id || document_id"}
    return {table: set(rig.raw(f"SELECT {key} FROM {table}")) for table, key in ids.items()}


def test_the_clean_up_removes_what_it_should_and_nothing_else(rig: Rig, tmp_path: Path) -> None:
    """A job is in the middle of its work: its artifacts stay."""
    write_documents(tmp_path / "done", 4, seed=21)
    (tmp_path / "done" / "broken.pdf").write_bytes(b"%PDF-1.7\nnot one")
    for path in sorted((tmp_path / "done").iterdir()):
        rig.api.submit(path, collection="kept")
    gates = rig.api.cli.gates
    with gates.closed("embed"):
        running = rig.api.client.submit(*write_documents(tmp_path / "running", 3, seed=22), collection="running").job_id
        gates.arrived("embed")
        planted = plant(rig)
        before = rows_of(rig)
        old = rig.raw("SELECT id FROM events WHERE kind = 'document.extracting' ORDER BY id LIMIT 2")
        rig.raw("UPDATE events SET at = 1000 WHERE id IN (?, ?)", *(row[0] for row in old))
        files = rig.files()
        result = rig.run("clean_up").last_run
        assert result is not None
        assert (result.outcome, result.error) == ("done", None)
        gone = files - rig.files()
        left = rows_of(rig)
    assert gone == planted
    assert {table: before[table] - left[table] for table in before if before[table] - left[table]} == {
        "events": set(old)
    }
    assert rig.api.client.wait(running).state == "completed"
    assert rig.api.client.search("letter", collection="kept", mode="sparse").hits


def test_a_night_over_one_and_two_o_clock(rig: Rig, tmp_path: Path) -> None:
    """The numbers of the day are stored once, the clean-up runs and the digest comes once; none again an hour back."""
    write_documents(tmp_path / "in", 6, seed=31)
    (tmp_path / "in" / "broken.pdf").write_bytes(b"%PDF-1.7\nnot one")
    write_scan(tmp_path / "in" / "scan.png", 1)
    for _ in range(2):
        rig.api.submit(*sorted((tmp_path / "in").iterdir()), collection="night", sources=_sources(tmp_path / "in"))
    today = datetime.fromtimestamp(rig.now, BERLIN)
    midnight = (today + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    began = today.replace(hour=0, minute=0, second=0, microsecond=0)
    runs = {name: rig.entry(name).runs for name in NAMES}
    planted = plant(rig)
    assert eventually(lambda: rig.raw("SELECT count(*) FROM deliveries WHERE state = 'waiting'") == [(1,)])
    assert digests(rig) == []

    rig.set_clock(midnight.replace(hour=0, minute=59, second=45))
    metrics = rig.ended("metrics", runs["metrics"] + 1)
    assert metrics.last_run is not None
    assert (metrics.last_run.outcome, metrics.last_run.error) == ("done", None)
    assert datetime.fromisoformat(str(metrics.last_run.due)) == midnight.replace(hour=1)
    assert metrics.last_run.result == {"days": [today.date().isoformat()]}
    assert rig.entry("clean_up").runs == runs["clean_up"]
    made_up = rig.ended("health", runs["health"] + 1).runs - runs["health"]
    assert made_up <= 2, "the hours that were missed are made up by one run, beside that of one o'clock"
    with rig.api.cli.services() as services, services.catalog.connect() as connection:
        expected = count_day(connection, began.timestamp(), midnight.timestamp())
    (stored,) = rig.api.client.daily_metrics()
    assert stored.model_dump() == {"day": today.date().isoformat(), **expected}
    assert stored.documents >= 7
    assert stored.unchanged >= 7
    assert stored.pages_ocr >= 1
    assert stored.failures["corrupt"] >= 2
    assert {"extract", "chunk", "embed", "upsert", "finalize", "ocr"} <= stored.stages.keys()

    check_report(rig, stored, tmp_path)
    assert eventually(lambda: len(digests(rig)) == 1)

    rig.set_clock(midnight.replace(hour=1, minute=59, second=45))
    clean_up = rig.ended("clean_up", runs["clean_up"] + 1)
    assert clean_up.last_run is not None
    assert (clean_up.last_run.outcome, clean_up.last_run.error) == ("done", None)
    assert datetime.fromisoformat(str(clean_up.last_run.due)) == midnight.replace(hour=2)
    assert not planted & rig.files()

    rig.set_clock(midnight.replace(hour=1, minute=0, second=10))
    for _ in range(2):
        # A run that is asked for ends: the schedule was looked at meanwhile.
        assert rig.run("failures").last_run.outcome == "done"  # type: ignore[union-attr]
    rig.set_clock(midnight.replace(hour=2, minute=5))
    rig.run("failures")
    assert rig.entry("metrics").runs == runs["metrics"] + 1
    assert rig.entry("clean_up").runs == runs["clean_up"] + 1
    assert len(rig.raw("SELECT day FROM daily_metrics")) == 1

    check_verification(rig, runs["verify"], midnight)
    assert len(digests(rig)) == 1


def check_verification(rig: Rig, before: int, midnight: datetime) -> None:
    """The verification of the week runs at three o'clock."""
    rig.set_clock(midnight.replace(hour=2, minute=59, second=45))
    verify = rig.ended("verify", before + 1).last_run
    assert verify is not None
    assert (verify.outcome, datetime.fromisoformat(str(verify.due))) == ("done", midnight.replace(hour=3))
    assert rig.raw("SELECT count(*) FROM checks WHERE name = 'verify'") == [(1,)]


def check_report(rig: Rig, stored: DailyMetrics, folder: Path) -> None:
    """The report of the day has its stored row, and draws it: as data, in the page, and by the command on a server."""
    day = date.fromisoformat(stored.day)
    span = {"since": stored.day, "until": (day + timedelta(days=1)).isoformat()}
    made = rig.api.client.report(**span)
    assert made.days == [stored]
    counts = (made.states["completed"], made.states["unchanged"], made.states["failed"], made.chunks, made.pages.ocr)
    assert counts == (stored.documents, stored.unchanged, stored.failed, stored.chunks, stored.pages_ocr)
    assert {code.code: code.documents for code in made.failure_codes} == stored.failures
    ((known, confidence),) = rig.raw(
        "SELECT sum(pages_ocr), sum(ocr_confidence * pages_ocr) / sum(pages_ocr) FROM attempts a "
        "JOIN versions v ON v.id = a.version_id WHERE a.state = 'completed' AND ocr_confidence IS NOT NULL"
    )
    assert made.ocr.pages_with_confidence == known >= 1
    assert made.ocr.mean_confidence == pytest.approx(confidence, abs=1e-4)
    assert confidence > 0.5
    failed = [(row.code, row.stage) for row in made.failures]
    assert ("corrupt", "extract") in failed

    path = folder / "day.html"
    rig.api.cli.run("report", "--day", stored.day, "--output", path, "--server", rig.api.url)
    page = path.read_text("utf-8")
    assert f"<title>{stored.day}: {stored.documents} completed</title>" in page
    assert f"<title>{stored.day}: {stored.failed} failed</title>" in page
    assert rig.api.client.report_file("html", **span).count(b"<svg ") == page.count("<svg ")


def _sources(folder: Path) -> list[str]:
    return [f"upload://night/{path.name}" for path in sorted(folder.iterdir())]


# The rows of the page about monitoring


def check_list(rig: Rig) -> None:
    listed = rig.api.http.get("/v1/schedule").raise_for_status().json()["entries"]
    rows = {row[0]: row[1:] for row in rig.raw("SELECT name, runs, outcome, error, tries FROM scheduled")}
    assert len(rows) == len(listed)
    for entry in listed:
        run = entry["last_run"] or {"outcome": None, "error": None, "tries": 0}
        assert rows[entry["name"]] == (entry["runs"], run["outcome"], run["error"], run["tries"])
    assert sum(entry["last_run"] is not None for entry in listed) >= 5


def check_run(rig: Rig) -> None:
    ((before,),) = rig.raw("SELECT runs FROM scheduled WHERE name = 'health'")
    answer = rig.api.http.post("/v1/schedule/health/run")
    assert answer.status_code == 202
    assert eventually(
        lambda: rig.raw("SELECT runs, state FROM scheduled WHERE name = 'health'") == [(before + 1, "idle")]
    )


def check_days(rig: Rig) -> None:
    days = rig.api.http.get("/v1/metrics/daily").raise_for_status().json()["days"]
    query = "SELECT day, documents, unchanged, failed, chunks, pages_ocr FROM daily_metrics ORDER BY day"
    names = ("day", "documents", "unchanged", "failed", "chunks", "pages_ocr")
    assert [tuple(day[name] for name in names) for day in days] == rig.raw(query)
    assert days
    assert rig.api.http.get("/v1/metrics/daily", params={"since": "2999-01-01"}).json() == {"days": []}


def archive_all(rig: Rig) -> None:
    """Make the open failures old, and let the schedule archive them."""
    rig.raw("UPDATE failures SET created_at = 1000 + rowid")
    rig.run("failures")


def check_archived(rig: Rig) -> None:
    archive_all(rig)
    pages, cursor = [], None
    while not pages or cursor is not None:
        params = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        answer = rig.api.http.get("/v1/failures/archived", params=params).raise_for_status().json()
        pages += answer["failures"]
        cursor = answer["next"]
    query = "SELECT document_id, code, source FROM archived_failures ORDER BY id DESC"
    assert [(page["document_id"], page["code"], page["source"]) for page in pages] == rig.raw(query)
    assert len(pages) >= 2
    assert rig.raw("SELECT count(*) FROM failures") == [(0,)]
    assert [failure.document_id for failure in rig.api.client.archived_failures().failures] == [
        page["document_id"] for page in pages
    ]
    wrong = rig.api.http.get("/v1/failures/archived", params={"cursor": "1.x"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_request")


def check_command(rig: Rig) -> None:
    for words in (("schedule",), ("schedule", "list"), ("schedule", "--server", rig.api.url)):
        printed = rig.api.cli.json(*words)["entries"]
        rows = dict(rig.raw("SELECT name, runs FROM scheduled"))
        assert {entry["name"]: entry["runs"] for entry in printed} == rows
    assert all(name in rig.api.cli.quick("schedule").out for name in NAMES)


def check_command_run(rig: Rig) -> None:
    for server in ((), ("--server", rig.api.url)):
        ((before,),) = rig.raw("SELECT runs FROM scheduled WHERE name = 'expiry'")
        printed = rig.api.cli.json("schedule", "run", "expiry", *server)
        assert printed["last_run"]["outcome"] == "done"
        assert rig.raw("SELECT runs FROM scheduled WHERE name = 'expiry'") == [(before + 1,)] == [(printed["runs"],)]


def check_command_days(rig: Rig) -> None:
    stored = rig.raw("SELECT day, documents FROM daily_metrics ORDER BY day")
    for server in ((), ("--server", rig.api.url)):
        printed = rig.api.cli.json("schedule", "days", *server)["days"]
        assert [(day["day"], day["documents"]) for day in printed] == stored
    assert printed[0]["day"] in rig.api.cli.quick("schedule", "days").out


def check_command_archived(rig: Rig) -> None:
    ((number,),) = rig.raw("SELECT count(*) FROM archived_failures")
    assert len(rig.api.cli.json("failures", "archived")["failures"]) == number > 0
    assert f"{number} archived failures" in rig.api.cli.quick("failures", "archived").out


CHECKS: dict[str, Callable[[Rig], None]] = {
    "GET /v1/schedule": check_list,
    "POST /v1/schedule/{name}/run": check_run,
    "GET /v1/metrics/daily": check_days,
    "GET /v1/failures/archived": check_archived,
    "docrelay schedule": check_command,
    "docrelay schedule run NAME": check_command_run,
    "docrelay schedule days": check_command_days,
    "docrelay failures archived": check_command_archived,
}


def test_every_row_of_the_page_about_monitoring(rig: Rig) -> None:
    """After the night: there are days and failures to be shown."""
    assert documented_rows("monitoring.md", "## Schedule") == list(CHECKS)
    for check in CHECKS.values():
        check(rig)
