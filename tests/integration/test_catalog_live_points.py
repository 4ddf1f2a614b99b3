"""What verify asks the catalog: the same answers on SQLite and on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from embeddings.base import Fingerprint
from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.schema import batches as batches_table
from pipeline.catalog.database.schema import documents, versions
from pipeline.catalog.documents import deletion, live_points, live_versions, records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.index import checks, collections
from pipeline.catalog.reindex import missing_documents
from pipeline.catalog.work import attempt_counters, attempts, batches, jobs
from pipeline.catalog.work.jobs import Job
from pipeline.plan import IndexSpec

pytest_plugins = ("postgres_fixture",)

SPACE = Fingerprint("test/tiny", "1", "float", "mean", True, "", "", 4)
SPEC = IndexSpec("test/tiny", "auto", None, None, 64, 8)


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    is_sqlite = request.param == "sqlite"
    engine = open_catalog(sqlite_url(tmp_path) if is_sqlite else str(request.getfixturevalue("postgres").create()))
    yield engine
    engine.dispose()


def begin(connection: Connection, *sources: str, content: str = "a") -> dict[str, str]:
    """Begin documents in a batch of their own: {source: version id}."""
    collections.register(connection, "letters", SPACE, SPEC)
    job = jobs.create(connection, Job("letters", "ingest", 5), "r", 1)
    made, attempt_ids = {}, []
    for source in sources:
        recorded = records.record(connection, job.id, "recipe", FileRecord(source, content, 1, 0.0))
        assert recorded.attempt_id is not None
        attempt_ids.append(recorded.attempt_id)
        newest = sa.select(versions.c.id).where(versions.c.document_id == recorded.document_id)
        made[source] = str(connection.scalars(newest.order_by(versions.c.sequence.desc())).first())
    connection.execute(versions.update().where(versions.c.id.in_(made.values())).values(chunks=5))
    attempt_counters.set_chunks(connection, dict.fromkeys(attempt_ids, 5))
    batches.create(connection, job.id, 5, attempt_ids, active=True)
    return made


def end(connection: Connection, made: dict[str, str]) -> None:
    """Make these versions live and end everything that is at work."""
    rows = connection.execute(sa.select(versions.c.document_id, versions.c.id).where(versions.c.id.in_(made.values())))
    live_versions.switch(connection, {row.document_id: row.id for row in rows})
    attempts.complete(connection, list(connection.scalars(sa.text("SELECT id FROM attempts"))))
    connection.execute(batches_table.update().values(state="done"))


def test_live_versions_come_in_pages_and_say_whether_they_are_worked_on(catalog: Engine) -> None:
    with writing(catalog) as connection:
        made = begin(connection, "/a", "/b", "/c")
        end(connection, made)
        changed = begin(connection, "/b", content="b")
    with catalog.connect() as connection:
        first = live_points.list_live(connection, "letters~1", "", 2)
        rest = live_points.list_live(connection, "letters~1", first[-1].document_id, 2)
        assert [version.version_id for version in [*first, *rest]] == sorted(
            made.values(), key=lambda name: document_of(connection, name)
        )
        by_id = live_points.live_by_id(connection, [*made.values(), *changed.values(), "unknown"])
        busy = {version.source: version.is_busy for version in by_id.values()}
        assert busy == {"/a": False, "/b": True, "/c": False}
        assert {version.chunks for version in by_id.values()} == {5}
        assert live_points.list_live(connection, "letters~2", "", 2) == []
        (ready,) = missing_documents.live_documents(connection, [made["/a"], made["/b"], changed["/b"]][:2])
        assert ready.version_id == made["/a"], "the other one is worked on"


def document_of(connection: Connection, version_id: str) -> str:
    return str(connection.scalar(sa.select(versions.c.document_id).where(versions.c.id == version_id)))


def test_versions_may_have_points_while_they_are_live_made_or_can_be_revived(catalog: Engine) -> None:
    with writing(catalog) as connection:
        made = begin(connection, "/live", "/replaced", "/deleted", "/undone")
        end(connection, made)
        newer = begin(connection, "/replaced", content="b")
        ids = [*made.values(), *newer.values()]
        assert live_points.may_have_points(connection, "letters~1", ids) == set(ids), "the newer one is being made"
        end(connection, newer)
        deletion.tombstone(connection, [document_of(connection, made["/deleted"])])
        deletion.tombstone(connection, [document_of(connection, made["/undone"])], time.time() + 60)
        allowed = live_points.may_have_points(connection, "letters~1", [*ids, "unknown"])
        assert allowed == {made["/live"], newer["/replaced"], made["/undone"]}
        assert live_points.known(connection, "letters~1", [*ids, "unknown"]) == set(ids)
        assert live_points.may_have_points(connection, "letters~2", ids) == set(), "their index is another one"
        assert live_points.known(connection, "letters~2", ids) == set()
        connection.execute(documents.update().where(documents.c.undo_until.is_not(None)).values(undo_until=1.0))
        assert live_points.may_have_points(connection, "letters~1", ids) == allowed - {made["/undone"]}


def test_expected_points_are_counted_and_work_gives_slack(catalog: Engine) -> None:
    with writing(catalog) as connection:
        end(connection, begin(connection, "/a", "/b", "/c"))
        (expected,) = live_points.count_expected(connection)
        assert (expected.collection, expected.index, expected.documents) == ("letters", "letters~1", 3)
        assert (expected.points, expected.slack) == (15, 0)
        begin(connection, "/a", content="b")
        (expected,) = live_points.count_expected(connection)
        assert (expected.points, expected.slack) == (15, 10), "the old version of it, and the new one"
        chosen = live_points.list_live(connection, "letters~1", "", 3)
        undone = next(version for version in chosen if version.source == "/b")
        deletion.tombstone(connection, [undone.document_id], time.time() + 60)
        (expected,) = live_points.count_expected(connection)
        assert (expected.points, expected.slack) == (10, 15), "and one that can be revived"


def test_results_of_checks_replace_each_other(catalog: Engine) -> None:
    with writing(catalog) as connection:
        assert checks.last(connection, checks.COUNTS) is None
        assert checks.drift(connection).is_clean
        found = {"collection": "letters", "expected": 5, "points": 3, "message": ""}
        checks.store(connection, checks.COUNTS, {"collections": []})
        checks.store(connection, checks.COUNTS, {"collections": [found]})
        checks.store(connection, checks.VERIFY, {"left": {"text": 2}})
        drift = checks.drift(connection)
        assert [shown.model_dump() for shown in drift.collections] == [found]
        assert (drift.left, drift.is_clean) == ({"text": 2}, False)


def test_uploads_and_embedded_chunks_are_found(catalog: Engine) -> None:
    with writing(catalog) as connection:
        end(connection, begin(connection, "/a", "upload://b.txt", "crm://c"))
        assert {file.source for file in live_points.originals_kept_for_readers(connection)} == {
            "upload://b.txt",
            "crm://c",
        }
        rows = connection.execute(sa.text("SELECT id, job_id FROM attempts")).all()
        amounts = {row.id: {"chunks_embedded": 5, "chunks_cached": 2} for row in rows}
        attempt_counters.add(connection, amounts)
        assert attempt_counters.count_embedded(connection, [rows[0].job_id]) == 9
        assert attempt_counters.count_embedded(connection, []) == 0
        found = jobs.of_documents(connection, list(connection.scalars(sa.select(documents.c.id))))
        assert set(found.values()) == {rows[0].job_id}
