"""What other processes change while everything is looked at or mended is neither drift nor removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempts as schema_attempts
from pipeline.catalog.database.schema import versions
from pipeline.catalog.documents import live_versions, records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.index import checks, collections, indexes
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.work import attempts, jobs
from pipeline.catalog.work.jobs import Job
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import LocalSpool, original_key
from pipeline.stages.kept_texts import text_key_of
from pipeline.vectorstore.base import Filter, Point, SparseVector
from pipeline.verification import VerifyRequest, counts, points, verify
from pipeline.verification.drift import Findings
from pipeline.verification.look import look
from pipeline.verification.mend import mend
from pipeline.verification.pace import Pace, Scope

LATE = original_key("ab" * 32, "upload:/a.txt")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is being deleted meanwhile."""
    monkeypatch.setattr(points, "SETTLE_S", 0.0)
    monkeypatch.setattr(counts, "SETTLE_S", 0.0)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"), owner=True)
    yield services
    services.store.close()
    services.catalog.dispose()


def register(services: Services, collection: str) -> None:
    with writing(services.catalog) as connection:
        collections.register(connection, collection, services.fingerprint, services.spec)


def add_index(services: Services, role: str) -> None:
    with writing(services.catalog) as connection:
        indexes.add(connection, Index("letters~2", "letters", role, services.fingerprint, services.spec))


def store(services: Services, index: str, *payloads: dict[str, object]) -> None:
    services.store.ensure(index, services.fingerprint)
    dense = [1.0] + [0.0] * (services.fingerprint.dim - 1)
    services.store.upsert(
        index,
        [Point(str(UUID(int=n)), dense, SparseVector([], []), payload) for n, payload in enumerate(payloads, 1)],
    )


def live_version(services: Services, source: str) -> str:
    """A live version without chunks of a document of `letters`."""
    register(services, "letters")
    with writing(services.catalog) as connection:
        job = jobs.create(connection, Job("letters", "ingest", 5), "r", 1)
        recorded = records.record(connection, job.id, "recipe", FileRecord(source, "ab" * 32, 1, 0.0))
        connection.execute(versions.update().values(chunks=0))
        version_id = str(connection.scalar(sa.select(versions.c.id)))
        live_versions.switch(connection, {recorded.document_id: version_id})
        attempts.complete(connection, [str(recorded.attempt_id)])
    return version_id


def number_of(services: Services, index: str) -> int:
    return services.store.count(index, Filter())


def wait(_job_id: str) -> None:
    raise AssertionError("there is no document to be made anew")


def test_a_collection_that_is_made_meanwhile_is_no_surplus(services: Services) -> None:
    register(services, "letters")
    store(services, "letters~1")

    def make_another(_what: str, _number: int) -> None:
        register(services, "news")
        store(services, "news~1", {"version_id": "v"})

    findings = look(services, Scope(), Pace(report=make_another))
    assert (findings.unknown_indexes, findings.found.total()) == (set(), 0)


def test_an_index_that_the_catalog_knows_by_now_is_not_dropped(services: Services) -> None:
    register(services, "letters")
    store(services, "letters~1", {"version_id": "v"})
    store(services, "letters~3", {"version_id": "v"})
    mend(services, Findings(unknown_indexes={"letters~1", "letters~3"}), wait)
    assert services.store.collections().keys() == {"letters~1"}
    assert number_of(services, "letters~1") == 1


def test_an_alias_of_an_index_that_readers_have_left_is_not_set(services: Services) -> None:
    register(services, "letters")
    store(services, "letters~1")
    add_index(services, "soaking")
    store(services, "letters~2")
    mend(services, Findings(aliases={"letters": "letters~2"}), wait)
    assert services.store.aliases() == {}
    mend(services, Findings(aliases={"letters": "letters~1"}), wait)
    assert services.store.aliases() == {"letters": "letters~1"}


def test_a_collection_that_was_made_anew_by_another_process_stays(services: Services) -> None:
    register(services, "letters")
    store(services, "letters~1", {"version_id": "v"})
    mend(services, Findings(stores={"letters~1", "gone~1"}), wait)
    assert number_of(services, "letters~1") == 1
    assert services.store.collections().keys() == {"letters~1"}


@pytest.mark.parametrize(("url", "left"), [(None, 0), ("http://127.0.0.1:1", 1)])
def test_a_collection_of_another_space_is_made_anew_unless_it_may_be_of_another_installation(
    services: Services, url: str | None, left: int
) -> None:
    register(services, "letters")
    other = replace(services.fingerprint, model="another")
    dense = [1.0] + [0.0] * (other.dim - 1)
    services.store.ensure("letters~1", other)
    services.store.upsert("letters~1", [Point(str(UUID(int=1)), dense, SparseVector([], []), {})])
    there = Services(services.settings.model_copy(update={"qdrant_url": url}), owner=True)
    there.__dict__.update(store=services.store, catalog=services.catalog)
    findings = look(there, Scope("letters"), Pace())
    assert findings.found == {"wrong_space": 1}
    mend(there, findings, wait)
    assert number_of(services, "letters~1") == left
    assert services.store.collections()["letters~1"] == (other if left else services.fingerprint)
    assert len(findings.notes) == left


def test_points_in_another_index_than_their_version_are_surplus(services: Services) -> None:
    version_id = live_version(services, "/a")
    add_index(services, "soaking")
    store(services, "letters~1")
    store(services, "letters~2", {"version_id": version_id}, {"version_id": 7})
    findings = look(services, Scope(), Pace())
    assert findings.found == {"surplus_points": 2}
    mend(services, findings, wait)
    assert number_of(services, "letters~2") == 0


class BusySpool(LocalSpool):
    """A spool into which a file is written after the originals were listed."""

    def names(self, prefix: str) -> list[str]:
        if prefix == "batches":
            self.write(LATE, b"a")
        return super().names(prefix)


def test_a_file_that_arrives_while_the_folder_is_listed_is_not_missing(services: Services, tmp_path: Path) -> None:
    live_version(services, "upload:/a.txt")
    store(services, "letters~1")
    assert look(services, Scope(), Pace()).found["original_missing"] == 1
    services.__dict__["spool"] = BusySpool(tmp_path / "spool")
    assert look(services, Scope(), Pace()).found["original_missing"] == 0


def test_each_verification_looks_at_another_sample(services: Services) -> None:
    register(services, "letters")
    store(services, "letters~1")
    sources = [f"/{number}" for number in range(40)]
    with writing(services.catalog) as connection:
        job = jobs.create(connection, Job("letters", "ingest", 5), "r", 1)
        files = [FileRecord(source, sha256(source.encode()).hexdigest(), 1, 0.0) for source in sources]
        recorded = [records.record(connection, job.id, "recipe", file) for file in files]
        made = connection.execute(sa.select(versions.c.document_id, versions.c.id, versions.c.extraction)).all()
        live_versions.switch(connection, {row.document_id: row.id for row in made})
        attempts.complete(connection, [str(item.attempt_id) for item in recorded])
        connection.execute(versions.update().values(chunks=0))
    for file in files:
        services.spool.write(text_key_of(file.content_sha256, file.source, made[0].extraction), b"damaged")
    samples = [
        {example.source for example in report.examples}
        for report in (verify(services, VerifyRequest(sample=20)), verify(services, VerifyRequest(sample=20)))
    ]
    assert all(0 < len(sample) < 40 for sample in samples)
    assert samples[0] != samples[1]


def test_a_surplus_in_one_document_does_not_hide_what_another_one_lacks(services: Services) -> None:
    register(services, "letters")
    with writing(services.catalog) as connection:
        job = jobs.create(connection, Job("letters", "ingest", 5), "r", 1)
        files = [FileRecord(source, sha256(source.encode()).hexdigest(), 1, 0.0) for source in ("/a", "/b")]
        recorded = [records.record(connection, job.id, "recipe", file) for file in files]
        made = connection.execute(sa.select(versions.c.document_id, versions.c.id)).all()
        live_versions.switch(connection, {row.document_id: row.id for row in made})
        attempts.complete(connection, [str(item.attempt_id) for item in recorded])
        connection.execute(versions.update().values(chunks=2))
    first, second = (row.id for row in made)
    store(services, "letters~1", *({"version_id": version_id} for version_id in (first, first, first, second)))
    findings = look(services, Scope(share=0.0), Pace())
    assert (findings.found["missing_points"], findings.found["surplus_points"]) == (1, 1)


def test_a_document_without_points_that_a_job_makes_anew_is_not_well(services: Services) -> None:
    live_version(services, "/a.txt")
    services.store.ensure("letters~1", services.fingerprint)
    with writing(services.catalog) as connection:
        connection.execute(versions.update().values(chunks=2))
        job = jobs.create(connection, Job("letters", "ingest", 5), "r", 1)
        again = records.record(connection, job.id, "another recipe", FileRecord("/a.txt", "ab" * 32, 1, 0.0))
    report = verify(services, VerifyRequest())
    assert (report.clean, report.unfinished, report.left) == (False, 1, {})
    with services.catalog.connect() as connection:
        assert checks.drift(connection).unfinished == 1
    with writing(services.catalog) as connection:
        attempts.cancel(connection, schema_attempts.c.id == again.attempt_id)
    report = verify(services, VerifyRequest())
    assert (report.clean, report.unfinished, report.left["missing_points"]) == (False, 0, 2)
