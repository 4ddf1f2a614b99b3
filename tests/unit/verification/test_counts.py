"""Counts of points are compared with the catalog; work under way is no drift; a verification is due once a week."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import checks as checks_table
from pipeline.catalog.database.schema import versions
from pipeline.catalog.documents import live_versions, records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.index import checks, collections
from pipeline.catalog.work import attempts, jobs
from pipeline.catalog.work.jobs import Job
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.vectorstore.base import Filter, Point, SparseVector
from pipeline.verification import compare_counts, counts
from pipeline.verification.schedule import DAY_S, is_due

CHUNKS = 3


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is being deleted meanwhile."""
    monkeypatch.setattr(counts, "SETTLE_S", 0.0)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"), owner=True)
    yield services
    services.store.close()
    services.catalog.dispose()


def record(services: Services, *sources: str) -> dict[str, str]:
    """Documents with an attempt under way: {document id: version id}."""
    with writing(services.catalog) as connection:
        collections.register(connection, "letters", services.fingerprint, services.spec)
        job = jobs.create(connection, Job("letters", "ingest", 5), "r", 1)
        files = [FileRecord(source, source, 1, 0.0) for source in sources]
        recorded = [records.record(connection, job.id, "recipe", file) for file in files]
        rows = connection.execute(sa.select(versions.c.document_id, versions.c.id)).all()
        connection.execute(versions.update().values(chunks=CHUNKS))
    ids = {item.document_id for item in recorded}
    return {row.document_id: row.id for row in rows if row.document_id in ids}


def complete(services: Services, made: dict[str, str]) -> None:
    """Make these versions live, and end their attempts."""
    with writing(services.catalog) as connection:
        live_versions.switch(connection, made)
        names = [attempt.id for attempt in connection.execute(sa.text("SELECT id FROM attempts"))]
        attempts.complete(connection, names)


def store(services: Services, version_id: str, number: int) -> None:
    services.store.ensure("letters~1", services.fingerprint)
    payload = {"version_id": version_id, "live": True}
    dense = [1.0] + [0.0] * (services.fingerprint.dim - 1)
    first = UUID(version_id).int
    services.store.upsert(
        "letters~1",
        [Point(str(UUID(int=first + n)), dense, SparseVector([], []), payload) for n in range(number)],
    )


def test_counts_that_agree_are_no_drift(services: Services) -> None:
    made = record(services, "/a", "/b")
    complete(services, made)
    for version_id in made.values():
        store(services, version_id, CHUNKS)
    assert compare_counts(services) == []
    with services.catalog.connect() as connection:
        assert checks.drift(connection).is_clean


@pytest.mark.parametrize(("number", "points"), [(CHUNKS, 3), (CHUNKS + 4, 7)])
def test_missing_and_surplus_points_are_drift(services: Services, number: int, points: int) -> None:
    made = record(services, "/a", "/b")
    complete(services, made)
    store(services, next(iter(made.values())), number)
    assert compare_counts(services) == [{"collection": "letters", "expected": 6, "points": points, "message": ""}]
    with services.catalog.connect() as connection:
        shown = checks.drift(connection)
    assert [(found.collection, found.expected, found.points) for found in shown.collections] == [("letters", 6, points)]


def test_a_store_that_is_gone_is_drift_until_it_is_made_anew(services: Services) -> None:
    made = record(services, "/a")
    complete(services, made)
    assert [found["points"] for found in compare_counts(services)] == [0]
    store(services, next(iter(made.values())), CHUNKS)
    assert compare_counts(services) == []


def test_points_of_work_under_way_are_no_drift(services: Services) -> None:
    """Finalize marks points as live before the catalog switches: for a moment there are more than it knows."""
    complete(services, record(services, "/a"))
    (first,) = record(services, "/a").values()
    store(services, first, CHUNKS)
    assert compare_counts(services) == []
    made = record(services, "/b")
    store(services, next(iter(made.values())), CHUNKS)
    with writing(services.catalog) as connection:
        connection.execute(sa.text("UPDATE attempts SET chunks_total = 3 WHERE state = 'queued'"))
    assert compare_counts(services) == []
    services.store.delete("letters~1", Filter(version_ids=(first,)))
    store(services, next(iter(made.values())), 12)
    assert [found["points"] for found in compare_counts(services)] == [12]


def test_a_verification_is_due_after_some_days_and_never_if_it_is_off(services: Services) -> None:
    assert not is_due(services), "there is nothing to verify"
    complete(services, record(services, "/a"))
    assert not is_due(services)
    with writing(services.catalog) as connection:
        checks.store(connection, checks.VERIFY, {"left": {}})
        connection.execute(checks_table.update().values(at=checks_table.c.at - 8 * DAY_S))
    assert is_due(services)
    off = Services(services.settings.model_copy(update={"verify_days": 0.0}))
    assert not is_due(off)
    off.catalog.dispose()
