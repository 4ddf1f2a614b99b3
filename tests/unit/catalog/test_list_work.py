"""The work for a page of a list is bounded: SQLite's own steps are counted, with twenty thousand documents."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from list_rig import ListCatalog, combined

from pipeline.catalog.database import keyset
from pipeline.catalog.database.connection import writing
from pipeline.lists.documents import ORDERS, DocumentQuery, list_documents
from pipeline.lists.jobs import JobQuery, list_jobs

NUMBER = 20_000
FEW, EXAMINED = 50, 100
STEP = 100
"""Instructions of SQLite between two looks at the count."""

MOST = 50_000
"""Instructions for a page at most: a look at every document takes more, even without a condition on other tables."""

NUMBERS = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {NUMBER}) "
ID = "printf('%08x-0000-4000-8000-%012x', (n * 2654435761) % 4294967296, n)"
ROWS = (
    "INSERT INTO documents (id, collection, source, tags, live_version_id, attempt_id, created_at, updated_at, size) "
    f"{NUMBERS} SELECT {ID}, iif(n % 2, 'documents', 'letters'), '/srv/' || n || '.pdf', "
    f"iif(n % 3, '[\"common\"]', '[]'), iif(n % 4, {ID}, NULL), {ID}, n, n, iif(n % 4, n, 0) FROM numbers",
    "INSERT INTO versions (id, document_id, sequence, content_sha256, recipe, index_name, workflow, extraction, size, "
    "modified_at, parts_missing, created_at, chunker) "
    f"{NUMBERS} SELECT {ID}, {ID}, 1, 'a', 'r', 'i', 'ingest', '1-x', n, 1, n % 5 = 0, n, 'c' FROM numbers",
    "INSERT INTO attempts (id, document_id, version_id, job_id, number, state, size, created_at) "
    f"{NUMBERS} SELECT {ID}, {ID}, {ID}, 'j' || n, 1, iif(n % 4, 'completed', 'failed'), 1, n FROM numbers",
    "INSERT INTO document_tags (tag, document_id) "
    f"{NUMBERS} SELECT iif(n % 400, 'common', 'rare'), {ID} FROM numbers WHERE n % 3",
    "INSERT INTO failures (id, job_id, document_id, collection, source, stage, code, message, hint, transient, "
    f"created_at) {NUMBERS} SELECT {ID}, 'j', {ID}, 'documents', 's', 'extract', 'corrupt', '', '', 0, n "
    "FROM numbers WHERE n % 4 = 0",
    "INSERT INTO jobs (id, collection, workflow, priority, request_id, created_at, intake_done, bytes_expected, "
    "fraction, samples, confined, finished_at, outcome, outcomes) "
    f"{NUMBERS} SELECT {ID}, iif(n % 2, 'documents', 'letters'), iif(n % 3, 'ingest', 'redacted'), 5, 'r', n, n % 2, "
    "1, 1, '[]', 0, iif(n % 7, n, NULL), CASE WHEN n % 7 = 0 THEN NULL WHEN n % 3 THEN 'partial' ELSE 'completed' END, "
    "'{}' FROM numbers",
    "INSERT INTO submissions (job_id, document_id, source, size, outcome, code) "
    f"{NUMBERS} SELECT {ID}, {ID}, 's', 1, iif(n % 5, 'completed', 'failed'), iif(n % 5, NULL, 'corrupt') FROM numbers",
)

OF_DOCUMENTS: dict[str, tuple[Any, ...]] = {
    "collection": ("documents",),
    "state": ("completed", "failed", "queued", "deleted"),
    "code": ("corrupt", "none"),
    "tag": ("common", "rare"),
    "since": ("1970-01-01T00:10:00Z", "1970-01-01T05:33:00Z"),
    "outdated": (True,),
    "incomplete": (True,),
}
OF_JOBS: dict[str, tuple[Any, ...]] = {
    "collection": ("documents",),
    "workflow": ("redacted", "none"),
    "state": ("completed", "partial", "running", "taking_in", "failed"),
    "code": ("corrupt", "none"),
    "since": ("1970-01-01T00:10:00Z", "1970-01-01T05:33:00Z"),
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListCatalog]:
    catalog = ListCatalog(tmp_path_factory.mktemp("work"))
    with writing(catalog.services.catalog) as connection:
        connection.exec_driver_sql("INSERT INTO collections VALUES ('documents', '{}', 0), ('letters', '{}', 0)")
        for statement in ROWS:
            connection.exec_driver_sql(statement)
    yield catalog
    catalog.services.catalog.dispose()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset, "FEW", FEW)
    monkeypatch.setattr(keyset, "EXAMINED", EXAMINED)


@contextmanager
def counted(catalog: ListCatalog) -> Iterator[list[int]]:
    """Count the instructions that SQLite carries out for the connection of the pool."""
    steps = [0]

    def look() -> int:
        steps[0] += STEP
        return 0

    with catalog.services.catalog.connect() as connection:
        raw: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
    raw.set_progress_handler(look, STEP)
    yield steps
    raw.set_progress_handler(None, 0)


def test_the_count_sees_a_look_at_every_document(catalog: ListCatalog) -> None:
    with counted(catalog) as steps, catalog.services.catalog.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM documents WHERE tags = 'x'")
    assert steps[0] > MOST


@pytest.mark.parametrize("order", [*ORDERS, "-time", "-size", "-source"])
def test_a_page_of_documents_takes_bounded_work(catalog: ListCatalog, order: str) -> None:
    for conditions in combined(OF_DOCUMENTS):
        query = DocumentQuery(**conditions, sort=order, limit=20)
        with counted(catalog) as steps:
            first = list_documents(catalog.services, query)
        if first.next is not None:
            with counted(catalog) as more:
                list_documents(catalog.services, DocumentQuery(**conditions, sort=order, limit=20, after=first.next))
            steps[0] = max(steps[0], more[0])
        assert steps[0] <= MOST, (conditions, steps[0])


def test_a_page_of_jobs_takes_bounded_work(catalog: ListCatalog) -> None:
    for order in ("time", "-time"):
        for conditions in combined(OF_JOBS):
            with counted(catalog) as steps:
                list_jobs(catalog.services, JobQuery(**conditions, sort=order, limit=20))
            assert steps[0] <= MOST, (conditions, steps[0])
