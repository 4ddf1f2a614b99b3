"""Reports of the monitoring page: each row is asked for, and compared with a count of the catalog by SQL."""

from __future__ import annotations

import csv
import io
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import html5lib
import openpyxl
import pypdfium2
import pytest
from documented_rows import documented_rows
from list_rig import ListCatalog
from planted_jobs import START, plant
from starlette.testclient import TestClient

from pipeline.api.app import make_app
from pipeline.catalog.database.connection import writing
from pipeline.disk.temporary_folder import tmp_of

DOCUMENTS = 260
STATES = (
    "SELECT coalesce(s.outcome, a.state, 'queued'), count(*) FROM submissions s LEFT JOIN attempts a "
    "ON a.id = s.attempt_id WHERE s.job_id = ? GROUP BY 1"
)
CODES = "SELECT code, count(*) FROM submissions WHERE job_id = ? AND outcome = 'failed' GROUP BY 1"
MADE = (
    "SELECT sum(v.chunks), sum(v.pages_text), sum(v.pages_ocr), sum(v.pages_empty), sum(v.pages_failed) "
    "FROM attempts a JOIN versions v ON v.id = a.version_id WHERE a.job_id = ? AND a.state = 'completed'"
)
STAGES = "SELECT stage, count(*) FROM tasks WHERE job_id = ? AND state = 'done' GROUP BY 1"
SOURCES = "SELECT source FROM submissions WHERE job_id = ?"
ENDED = "SELECT count(*) FROM attempts WHERE state = 'completed' AND finished_at >= ? AND finished_at < ?"


@dataclass
class Reports:
    """A catalog with a job, an API on it, and the folder for the command line."""

    folder: Path
    client: TestClient
    job: str

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.folder}/catalog.db?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    def run(self, *words: object, code: int = 0) -> subprocess.CompletedProcess[bytes]:
        """`docrelay report` in its folder."""
        line = [sys.executable, "-m", "pipeline", "report", *map(str, words), "--data-dir", str(self.folder)]
        done = subprocess.run(line, capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        return done


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    catalog = ListCatalog(tmp_path_factory.mktemp("reports") / "data")
    with writing(catalog.services.catalog) as connection:
        planted = plant(connection, DOCUMENTS, random.Random(21))
    with TestClient(make_app(catalog.services, embedded=True), base_url="http://127.0.0.1") as client:
        yield Reports(Path(catalog.services.settings.data_dir), client, planted.job)
    catalog.services.catalog.dispose()


def check_data(reports: Reports, data: dict[str, Any]) -> None:
    """The data of the job's report against its rows."""
    assert data["job"]["id"] == reports.job
    assert data["states"] == dict(reports.sql(STATES, reports.job))
    assert {row["code"]: row["documents"] for row in data["failure_codes"]} == dict(reports.sql(CODES, reports.job))
    pages = (data["pages"][name] for name in ("text", "ocr", "empty", "failed"))
    assert [(data["chunks"], *pages)] == reports.sql(MADE, reports.job)
    assert {row["stage"]: row["tasks"] for row in data["stages"]} == dict(reports.sql(STAGES, reports.job))


def check_span(reports: Reports, data: dict[str, Any]) -> None:
    """The data of the report of the first five minutes."""
    assert [(data["states"]["completed"],)] == reports.sql(ENDED, START, START + 300)
    assert data["job"] is None
    assert 0 < data["states"]["completed"] < DOCUMENTS


def check_files(reports: Reports, fetch: Callable[[str], bytes]) -> None:
    """Every format has the counts of the job, and CSV and XLSX every source."""
    sources = sorted(source for (source,) in reports.sql(SOURCES, reports.job))
    rows = list(csv.DictReader(io.StringIO(fetch("csv").decode("utf-8-sig"), newline="")))
    assert [row["source"] for row in rows] == sources
    workbook = openpyxl.load_workbook(io.BytesIO(fetch("xlsx")))
    assert [row[0] for row in workbook["Documents"].iter_rows(min_row=2, values_only=True)] == sources
    states = dict(reports.sql(STATES, reports.job))
    assert dict(workbook["Documents by state"].iter_rows(min_row=2, values_only=True)) == states
    page = html5lib.parse(fetch("html").decode(), namespaceHTMLElements=False)
    texts = {"".join(element.itertext()) for element in page.iter()}
    with pypdfium2.PdfDocument(fetch("pdf")) as pdf:
        printed = " ".join(pdf[number].get_textpage().get_text_range() for number in range(len(pdf)))
    for state, number in states.items():
        assert f"{state}: {number}" in texts  # in the chart
        assert f"{state} {number}" in printed
    assert reports.job in printed


def times(since: float, until: float) -> dict[str, str]:
    return {name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in (("since", since), ("until", until))}


def check_get_job(reports: Reports) -> None:
    address = f"/v1/reports/jobs/{reports.job}"
    check_data(reports, reports.client.get(address).raise_for_status().json())

    def fetch(name: str) -> bytes:
        answer = reports.client.get(address, params={"format": name}).raise_for_status()
        assert answer.headers["content-disposition"] == (
            f'attachment; filename="docrelay-report-{reports.job[:8]}.{name}"'
        )
        assert int(answer.headers["content-length"]) == len(answer.content)
        return answer.content

    check_files(reports, fetch)
    assert not list(tmp_of(reports.folder).rglob("report-*")), "what was sent is removed"


def check_get_span(reports: Reports) -> None:
    params = times(START, START + 300)
    check_span(reports, reports.client.get("/v1/reports", params=params).raise_for_status().json())
    empty = reports.client.get("/v1/reports", params={"since": "2001-01-01", "until": "2001-01-02", "format": "html"})
    assert "No document ended" in empty.raise_for_status().text


def check_command_job(reports: Reports) -> None:
    check_data(reports, json.loads(reports.run(reports.job[:10], "--json").stdout))
    place = reports.folder.with_name("out")
    place.mkdir()

    def fetch(name: str) -> bytes:
        path = place / f"report.{name}"
        assert str(path).encode() in reports.run(reports.job, "--output", path).stdout
        return path.read_bytes()

    check_files(reports, fetch)
    assert len(list(place.iterdir())) == 4
    assert reports.run(reports.job, "--format", "csv", "--output", "-").stdout == (place / "report.csv").read_bytes()


def check_command_span(reports: Reports) -> None:
    options = [word for name, at in times(START, START + 300).items() for word in (f"--{name}", at)]
    check_span(reports, json.loads(reports.run(*options, "--json").stdout))


def check_command_day(reports: Reports) -> None:
    day = datetime.fromtimestamp(START).astimezone().replace(hour=0, minute=0, second=0)
    data = json.loads(reports.run("--day", day.date().isoformat(), "--json").stdout)
    assert [(data["states"]["completed"],)] == reports.sql(ENDED, day.timestamp(), day.timestamp() + 86_400)


CHECKS: dict[str, Callable[[Reports], None]] = {
    "GET /v1/reports/jobs/{job_id}": check_get_job,
    "GET /v1/reports": check_get_span,
    "docrelay report JOB": check_command_job,
    "docrelay report --since --until": check_command_span,
    "docrelay report --day DATE": check_command_day,
}


def test_every_row_of_the_page_is_checked() -> None:
    assert documented_rows("monitoring.md", "## Reports") == list(CHECKS)


@pytest.mark.parametrize("row", CHECKS)
def test_the_report_is_what_the_catalog_holds(reports: Reports, row: str) -> None:
    CHECKS[row](reports)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/reports/jobs/00000000-0000-0000-0000-000000000000", 404, "unknown_id"),
        ("/v1/reports?since=noon", 422, "bad_request"),
        ("/v1/reports?since=2h&until=3h", 422, "bad_request"),
        ("/v1/reports?format=docx", 422, "invalid_request"),
        ("/v1/reports?days=3", 422, "invalid_request"),
    ],
)
def test_what_cannot_be_reported_is_refused(reports: Reports, path: str, status: int, code: str) -> None:
    answer = reports.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not list(tmp_of(reports.folder).rglob("report-*"))


def test_a_file_that_is_there_is_replaced_only_with_force(reports: Reports, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("mine")
    assert b"--force" in reports.run(reports.job, "--output", path, code=2).stderr
    assert path.read_text() == "mine"
    reports.run(reports.job, "--output", path, "--force")
    assert path.read_bytes().startswith(b"\xef\xbb\xbfsource,")
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.csv"]


@pytest.mark.parametrize(
    "words",
    [
        ("--day", "yesterday"),
        ("--day", "2026-11-20", "--since", "2h"),
        ("JOB", "--since", "2h"),
        ("--json", "--format", "pdf"),
        ("nosuchjob",),
        ("JOB", "--output", "/nonexistent/x.html"),
        ("JOB", "--output", "x.doc"),
    ],
)
def test_wrong_use_is_said(reports: Reports, words: tuple[str, ...]) -> None:
    done = reports.run(*(reports.job if word == "JOB" else word for word in words), code=2)
    assert b"error" in done.stderr
