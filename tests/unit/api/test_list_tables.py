"""The lists of the monitoring page: each row is asked for, and compared with a count of the catalog by SQL."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from documented_rows import documented_rows
from list_rig import Facts, ListCatalog
from starlette.testclient import TestClient

from pipeline.api.app import make_app
from pipeline.catalog.database.connection import writing

ENDS = ("completed",) * 5 + ("failed", "failed", "refused", "queued", "cancelled", "deleted")
STATE = (
    "CASE WHEN d.deleted_at IS NOT NULL THEN 'deleted' "
    "WHEN EXISTS (SELECT 1 FROM failures f WHERE f.document_id = d.id) THEN 'failed' ELSE a.state END"
)
DOCUMENTS = (
    f"SELECT d.id, {STATE}, (SELECT code FROM failures f WHERE f.document_id = d.id), d.collection, v.size, d.tags "
    "FROM documents d LEFT JOIN attempts a ON a.id = d.attempt_id LEFT JOIN versions v ON v.id = d.live_version_id"
)
OUTCOMES = "SELECT job_id, coalesce(outcome, 'under way'), count(*) FROM submissions GROUP BY 1, 2"


@dataclass
class Lists:
    """A catalog, an API on it, and the folder for the command line."""

    folder: Path
    client: TestClient

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self.folder}/catalog.db?mode=ro", uri=True) as connection:
            return connection.execute(query).fetchall()

    def get(self, path: str, **conditions: str) -> list[dict[str, Any]]:
        """All rows of a list of the API."""
        rows, cursor = list[dict[str, Any]](), {}
        while True:
            answer = self.client.get(f"/v1/{path}", params={**conditions, **cursor, "limit": "7"}).raise_for_status()
            rows += answer.json()[path]
            if answer.json()["next"] is None:
                return rows
            cursor = {"cursor": answer.json()["next"]}

    def run(self, command: str, **conditions: str) -> list[dict[str, Any]]:
        """All rows of a list of the command line."""
        options = [word for name, value in conditions.items() for word in (f"--{name}", value)]
        line = [sys.executable, "-m", "pipeline", command, *options, "--json", "--data-dir", str(self.folder)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        rows: list[dict[str, Any]] = json.loads(done.stdout)[command]
        return rows


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lists]:
    catalog, chance = ListCatalog(tmp_path_factory.mktemp("tables") / "data"), random.Random(3)
    with writing(catalog.services.catalog) as connection:
        connection.exec_driver_sql("INSERT INTO collections VALUES ('documents', '{}', 0)")
    for number in range(12):
        job_id = catalog.begin(at=1_700_000_000.0 + number)
        for place in range(chance.randrange(6)):
            tags = ("invoice",) * chance.randrange(2)
            code = chance.choice(("corrupt", "encrypted"))
            end = "failed" if number == 5 else chance.choice(ENDS)
            size = chance.randrange(5000)
            catalog.put(job_id, Facts(f"/srv/{number}_{place}.pdf", end=end, tags=tags, size=size, code=code))
        catalog.close(job_id)
    with TestClient(make_app(catalog.services, embedded=True), base_url="http://127.0.0.1") as client:
        yield Lists(Path(catalog.services.settings.data_dir), client)
    catalog.services.catalog.dispose()


Read = Callable[..., list[dict[str, Any]]]


def check_documents(lists: Lists, read: Read) -> None:
    """Every document is in the list of its state, with its code and size; and in that of its tag."""
    rows = lists.sql(DOCUMENTS)
    listed = read()
    assert {row["id"] for row in listed} == {row[0] for row in rows if row[1] != "deleted"}
    for state in sorted({row[1] for row in rows}):
        expected = {(row[0], row[2], row[4]) for row in rows if row[1] == state}
        assert {(row["id"], row["code"], row["size"]) for row in read(state=state)} == expected
    tagged = {row[0] for row in rows if row[1] != "deleted" and "invoice" in json.loads(row[5])}
    assert {row["id"] for row in read(tag="invoice")} == tagged != set()
    by_size = sorted(((row[4] or 0, row[0]) for row in rows if row[1] != "deleted"), reverse=True)
    assert [row["id"] for row in read(sort="-size")] == [document_id for _, document_id in by_size]


def check_jobs(lists: Lists, read: Read) -> None:
    """Every job is in the list of its state, with its documents by outcome."""
    counts: dict[str, Counter[str]] = {job_id: Counter() for (job_id,) in lists.sql("SELECT id FROM jobs")}
    for job_id, outcome, number in lists.sql(OUTCOMES):
        counts[job_id][outcome] = number
    states = {job_id: _state(found) for job_id, found in counts.items()}
    newest = [row[0] for row in lists.sql("SELECT id FROM jobs ORDER BY created_at DESC")]
    assert [row["id"] for row in read()] == newest
    assert {"partial", "failed", "completed", "running"} <= set(states.values())
    for state in sorted(set(states.values())):
        listed = {row["id"]: row for row in read(state=state)}
        assert listed.keys() == {job_id for job_id, found in states.items() if found == state}
        for job_id, row in listed.items():
            assert row["documents"] == sum(counts[job_id].values())
            names = ("completed", "unchanged", "failed", "cancelled", "deleted")
            assert {name: row[name] for name in names} == {name: counts[job_id][name] for name in names}


def _state(outcomes: Counter[str]) -> str:
    if outcomes["under way"]:
        return "running"
    if not outcomes["failed"]:
        return "completed"
    return "failed" if outcomes["failed"] == outcomes.total() else "partial"


CHECKS: dict[str, Callable[[Lists], None]] = {
    "GET /v1/documents": lambda lists: check_documents(lists, lambda **asked: lists.get("documents", **asked)),
    "GET /v1/jobs": lambda lists: check_jobs(lists, lambda **asked: lists.get("jobs", **asked)),
    "docrelay documents": lambda lists: check_documents(lists, lambda **asked: lists.run("documents", **asked)),
    "docrelay jobs": lambda lists: check_jobs(lists, lambda **asked: lists.run("jobs", **asked)),
}


def test_every_row_of_the_page_is_checked() -> None:
    assert documented_rows("monitoring.md", "## Lists") == list(CHECKS)


@pytest.mark.parametrize("row", CHECKS)
def test_the_list_is_what_the_catalog_holds(lists: Lists, row: str) -> None:
    CHECKS[row](lists)


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET", "/v1/documents?colour=blue", "query.colour"),
        ("GET", "/v1/jobs?stat=failed", "query.stat"),
        ("GET", "/v1/status?x=1", "query.x"),
        ("DELETE", "/v1/failures?codes=corrupt", "query.codes"),
    ],
)
def test_an_unknown_parameter_is_named(lists: Lists, method: str, path: str, field: str) -> None:
    answer = lists.client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [wrong["field"] for wrong in answer.json()["errors"]] == [field]


def test_an_unknown_field_of_a_form_is_named(lists: Lists) -> None:
    answer = lists.client.post("/v1/documents", files={"file": ("a.txt", b"a")}, data={"colour": "blue"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"] == [{"field": "body.colour", "message": "There is no such field."}]


def test_a_cursor_of_another_order_is_refused(lists: Lists) -> None:
    cursor = lists.client.get("/v1/documents", params={"sort": "size", "limit": 1}).json()["next"]
    for sort in ("id", "source", "time", "state"):
        answer = lists.client.get("/v1/documents", params={"sort": sort, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_request"), sort
