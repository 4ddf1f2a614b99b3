"""Failures over HTTP and by the clients, without a stack: conditions, pages, counts, dry runs, forgetting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from pipeline.api.app import make_app
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import records
from pipeline.catalog.work import jobs
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.client import AsyncClient, Client
from pipeline.dead_letters.query import FailureQuery
from pipeline.errors.problem import Problem
from pipeline.services import Services
from pipeline.settings import load_settings

STAGES = {"/srv/a.pdf": "intake", "/srv/b.pdf": "extract", "/srv/c.txt": "extract"}


@pytest.fixture
def http(tmp_path: Path) -> Iterator[TestClient]:
    settings = load_settings({"data_dir": tmp_path, "embedding_model": "hashing", "redis_url": "redis://127.0.0.1:9/0"})
    services = Services(settings)
    with writing(services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0)
        for source, stage in STAGES.items():
            cause = Failure(stage, Problem("unreadable", "It cannot be opened.", "Look."))
            records.reject(connection, job.id, source, 1, cause)
    with TestClient(make_app(services, embedded=True), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def client(http: TestClient) -> Iterator[Client]:
    with Client("http://127.0.0.1") as client:
        client._http.close()
        client._http = http  # type: ignore[assignment]  # it has the methods of an httpx client
        yield client


def test_a_list_has_pages_and_the_counts_of_all(http: TestClient) -> None:
    first = http.get("/v1/failures", params={"limit": 2}).json()
    assert [failure["source"] for failure in first["failures"]] == ["/srv/c.txt", "/srv/b.pdf"]
    counts = [(count["code"], count["stage"], count["documents"]) for count in first["counts"]]
    assert (first["total"], counts) == (3, [("unreadable", "extract", 2), ("unreadable", "intake", 1)])
    second = http.get("/v1/failures", params={"limit": 2, "cursor": first["next"]}).json()
    assert ([failure["source"] for failure in second["failures"]], second["next"]) == (["/srv/a.pdf"], None)
    some = http.get("/v1/failures", params={"stage": "extract", "source": "*.pdf", "since": "2h"}).json()
    assert [failure["source"] for failure in some["failures"]] == ["/srv/b.pdf"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("since=yesterday", 422), ("cursor=1.zzz", 422), ("job_id=nothing", 404), ("stages=ocr", 422), ("limit=0", 422)],
)
def test_what_no_list_can_have_is_refused(http: TestClient, query: str, status: int) -> None:
    assert http.get(f"/v1/failures?{query}").status_code == status


def test_one_failure_has_its_history(client: Client, http: TestClient) -> None:
    document_id = client.failures()[0].document_id
    history = client.failure(document_id)
    assert history.failure is not None
    assert (history.source, history.failure.stage, history.attempts) == ("/srv/c.txt", "extract", [])
    assert [(error.code, error.kind) for error in history.refusals] == [("unreadable", "failed")]
    assert http.get("/v1/failures/nothing").status_code == 404


def test_a_dry_run_begins_nothing(client: Client) -> None:
    report = client.retry_failures(FailureQuery(stage="extract"), dry_run=True)
    assert (report.jobs, report.documents, report.quarantined) == ([], 2, 0)
    assert [(count.stage, count.documents) for count in report.counts] == [("extract", 2)]
    assert len(client.failures()) == 3


def test_the_clients_list_and_forget_by_class(client: Client, http: TestClient) -> None:
    assert {failure.source for failure in client.all_failures(stage="extract", source="*.txt")} == {"/srv/c.txt"}
    page = client.list_failures(FailureQuery(), limit=1)
    assert (len(page.failures), page.total) == (1, 3)
    assert client.list_failures(FailureQuery(), page.next, 1).failures[0].source == "/srv/b.pdf"
    assert client.purge_failures(FailureQuery(stage="extract", source="*.pdf")) == 1
    assert client.purge(code="nothing") == 0
    assert [failure.source for failure in client.failures(code="unreadable")] == ["/srv/c.txt", "/srv/a.pdf"]

    async def listed() -> list[str]:
        async with AsyncClient("http://127.0.0.1") as other:
            await other._http.aclose()
            transport = httpx.ASGITransport(http.app)
            other._http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
            names = [failure.source async for failure in other.all_failures(stage="intake")]
            return names + [failure.source for failure in await other.failures()]

    assert asyncio.run(listed()) == ["/srv/a.pdf", "/srv/c.txt", "/srv/a.pdf"]
