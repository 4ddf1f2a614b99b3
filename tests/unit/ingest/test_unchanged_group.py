"""Files that have not changed are recorded all together: the catalog holds what recording one by one leaves there."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import documents, versions
from pipeline.catalog.documents import live_versions, records
from pipeline.catalog.documents.versions import FileRecord, Placement
from pipeline.catalog.work import attempts, jobs
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.errors.problem import Problem
from pipeline.ingest.content import FileContent
from pipeline.ingest.placement import placement_of
from pipeline.ingest.record import record
from pipeline.services import Services
from pipeline.settings import Settings

SOURCES = tuple(f"/srv/letter-{number}.txt" for number in range(4))
CAUSE = Failure("extract", Problem("corrupt", "It is broken.", "Mend it."))

histories = st.tuples(
    *[st.sampled_from(["none", "live", "replaced", "running", "failed", "deleted", "gone", "unread"])] * len(SOURCES)
)
groups = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.sampled_from("AAAB"), st.sampled_from([None, None, (), ("a",), ("b",)])),
    min_size=1,
    max_size=6,
)

Files = Sequence[tuple[str, str, tuple[str, ...] | None]]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = Services(Settings(data_dir=tmp_path_factory.mktemp("unchanged"), embedding_model="hashing"))
    yield made
    made.catalog.dispose()


class Case(NamedTuple):
    """A collection with a history, and the versions of it whose points are gone."""

    job: Job
    placement: Placement
    recipe: str
    gone: frozenset[str]


def file_of(source: str, content: str, tags: tuple[str, ...] | None = None) -> FileRecord:
    return FileRecord(source, content * 64, 10, 1.0, {"shelf": 12}, tags)


def set_up(services: Services, connection: Connection, history: Sequence[str]) -> Case:
    """Make a collection in which each source has its history."""
    first, later = (begin(services, connection, collection) for collection in [f"c{uuid.uuid4().hex}"] * 2)
    placement, recipe = placement_of(services, connection, first)
    gone = set()
    for source, what in zip(SOURCES, history, strict=True):
        if what == "none":
            continue
        made = records.record(connection, first.id, recipe, file_of(source, "A", ("a",)), placement)
        if what == "running":
            continue
        attempt_id = str(made.attempt_id)
        version = sa.select(versions.c.id).where(versions.c.document_id == made.document_id)
        version_id = str(connection.scalar(version))
        live_versions.switch(connection, {made.document_id: version_id})
        attempts.complete(connection, [attempt_id])
        of_document = documents.update().where(documents.c.id == made.document_id)
        if what in ("replaced", "failed"):
            other = records.record(connection, later.id, recipe, file_of(source, "B"), placement)
            if what == "failed":
                attempts.fail(connection, {str(other.attempt_id): CAUSE})
        elif what == "deleted":
            connection.execute(of_document.values(live_version_id=None, attempt_id=None, deleted_at=1.0))
        elif what == "unread":
            connection.execute(versions.update().where(versions.c.id == version_id).values(pages_unread=1))
        elif what == "gone":
            gone.add(version_id)
    return Case(begin(services, connection, first.collection), placement, recipe, frozenset(gone))


def begin(services: Services, connection: Connection, collection: str) -> Job:
    return jobs.create(connection, Job(collection, "ingest", 5), "request", 0)


STATE = {
    "documents": "SELECT d.source, d.tags, d.deleted_at, a.number, a.state, v.content_sha256 FROM documents d"
    " LEFT JOIN attempts a ON a.id = d.attempt_id LEFT JOIN versions v ON v.id = d.live_version_id"
    " WHERE d.collection = :name",
    "attempts": "SELECT d.source, a.number, a.state, a.code, v.content_sha256, a.job_id, a.batch_id IS NULL"
    " FROM attempts a JOIN documents d ON d.id = a.document_id JOIN versions v ON v.id = a.version_id"
    " WHERE d.collection = :name",
    "submissions": "SELECT s.source, s.job_id, s.size, s.outcome, s.code, a.number FROM submissions s"
    " JOIN jobs j ON j.id = s.job_id LEFT JOIN attempts a ON a.id = s.attempt_id WHERE j.collection = :name",
    "events": "SELECT d.source, e.job_id, e.kind FROM events e JOIN jobs j ON j.id = e.job_id"
    " LEFT JOIN documents d ON d.id = e.document_id WHERE j.collection = :name",
    "failures": "SELECT source, code FROM failures WHERE collection = :name",
    "tags": "SELECT d.source, t.tag FROM document_tags t JOIN documents d ON d.id = t.document_id"
    " WHERE d.collection = :name",
    "jobs": "SELECT id, outcome, finished_at IS NULL FROM jobs WHERE collection = :name",
}
"""What is compared, by raw SQL."""


def state_of(connection: Connection, case: Case) -> dict[str, Counter[tuple[Any, ...]]]:
    """All that the catalog holds of a collection, with numbers in the place of the ids of jobs."""
    names = connection.scalars(
        sa.text("SELECT id FROM jobs WHERE collection = :name ORDER BY rowid"), {"name": case.placement.collection}
    )
    numbers = {name: number for number, name in enumerate(names)}
    found = {}
    for table, query in STATE.items():
        rows = connection.execute(sa.text(query), {"name": case.placement.collection})
        found[table] = Counter(tuple(numbers.get(value, value) for value in row) for row in rows)
    return found


@settings(max_examples=150, deadline=None)
@given(histories, groups)
def test_a_group_is_recorded_as_its_files_are_one_by_one(
    services: Services, history: Sequence[str], group: Files
) -> None:
    files = [file_of(*file) for file in group]
    with writing(services.catalog) as connection:
        together, apart = (set_up(services, connection, history) for _ in range(2))
        contents = [FileContent(file, b"x", None, None) for file in files]
        results = record(
            connection, services, together.job, contents, {content.key for content in contents}, together.gone
        )
        placement = replace(apart.placement, gone=apart.gone, batch_id="b")
        expected = [records.record(connection, apart.job.id, apart.recipe, file, placement) for file in files]
        assert state_of(connection, together) == state_of(connection, apart)
    assert [result.state for result in results] == [
        "unchanged" if recorded.outcome == "unchanged" else "queued" for recorded in expected
    ]
    assert [result.source for result in results] == [file.source for file in files]


def test_statements_do_not_grow_with_the_files_that_have_not_changed(services: Services) -> None:
    numbers = []
    for _ in range(2):
        number = 10 + 90 * len(numbers)
        files = [file_of(f"/srv/{number}-{place}.txt", "A") for place in range(number)]
        statements: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_: object, noted: list[str] = statements) -> None:
            noted.append(statement)

        with writing(services.catalog) as connection:
            case = set_up(services, connection, ["none"] * len(SOURCES))
            for file in files:
                made = records.record(connection, case.job.id, case.recipe, file, case.placement)
                version = sa.select(versions.c.id).where(versions.c.document_id == made.document_id)
                live_versions.switch(connection, {made.document_id: str(connection.scalar(version))})
                attempts.complete(connection, [str(made.attempt_id)])
            again = begin(services, connection, case.job.collection)
            sa.event.listen(services.catalog, "before_cursor_execute", note)
            contents = [FileContent(file, b"x", None, None) for file in files]
            results = record(connection, services, again, contents, set())
            sa.event.remove(services.catalog, "before_cursor_execute", note)
        assert {result.state for result in results} == {"unchanged"}
        numbers.append(len(statements))
    assert numbers[0] == numbers[1]
