"""The catalog: migrations, status queries, cancelling, and at most one live version of a document."""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy.engine import Connection, Engine

import pipeline.catalog
from pipeline.catalog.database.connection import HEAD, open_catalog, sqlite_url, writing
from pipeline.catalog.database.schema import batches as batches_table
from pipeline.catalog.database.schema import documents as documents_table
from pipeline.catalog.database.schema import failures as failures_table
from pipeline.catalog.database.schema import jobs as jobs_table
from pipeline.catalog.database.schema import submissions as submissions_table
from pipeline.catalog.database.schema import versions
from pipeline.catalog.documents import deletion, garbage, live_versions, lookup, records
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.versions import FileRecord, describe_versions
from pipeline.catalog.work import (
    admission,
    attempts,
    batch_documents,
    batches,
    document_groups,
    events,
    failure_list,
    failures,
    jobs,
    ledger,
    status,
)
from pipeline.catalog.work.cancel import cancel_document, cancel_job
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.errors import StackUnavailable, UnknownId
from pipeline.errors.problem import Problem

CORRUPT = Failure("extract", Problem("corrupt", "It is broken.", "Mend it."))
SPOILT = Failure("intake", Problem("unreadable", "It cannot be opened.", "Look."))


def begin(connection: Connection, urgency: int = 5, collection: str = "documents") -> str:
    return jobs.create(connection, Job(collection, "ingest", urgency), "request", 0).id


def take(connection: Connection, job: str, source: str, content: str = "a") -> Recorded:
    return records.record(connection, job, "recipe", FileRecord(source, content * 64, 100, 1.0))


def batch_of(connection: Connection, job: str, *recorded: Recorded, active: bool = True) -> str:
    attempt_ids = [str(item.attempt_id) for item in recorded]
    return batches.create(connection, job, jobs.get(connection, job).priority, attempt_ids, active=active)


def finish(connection: Connection, batch: str, chunks: int = 2) -> None:
    """Finish a batch in the catalog as the stage finalize does, without the vector store."""
    carried = batch_documents.running(connection, batch)
    for attempt in carried:
        describe_versions(connection, {attempt.version_id: {"chunks": chunks, "pages_text": 1, "pages_ocr": 2}})
    live_versions.switch(connection, {attempt.document_id: attempt.version_id for attempt in carried})
    attempts.complete(connection, [attempt.attempt_id for attempt in carried])
    batches.finish(connection, batch)


def state_of(connection: Connection, job: str) -> tuple[bool, dict[str, int]]:
    """Whether a job is finished, and its outcomes."""
    row = connection.execute(sa.select(jobs_table.c.finished_at).where(jobs_table.c.id == job)).one()
    return row.finished_at is not None, document_groups.count(connection, job, document_groups.of_job(connection, job))[
        "outcomes"
    ]


# Migrations


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", f"{next(iter(pipeline.catalog.__path__))}/migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


@pytest.mark.parametrize("written_by", ["0001", "a later one"])
def test_a_catalog_of_another_version_is_refused(tmp_path: Path, written_by: str) -> None:
    open_catalog(sqlite_url(tmp_path)).dispose()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (written_by,))
    connection.close()
    with pytest.raises(StackUnavailable, match="Another version") as raised:
        open_catalog(sqlite_url(tmp_path))
    assert "another data folder" in raised.value.hint


# Reading


def test_ids_and_their_prefixes_resolve_to_their_kind(connection: Connection) -> None:
    job = begin(connection)
    recorded = take(connection, job, "/a")
    batch = batch_of(connection, job, recorded, active=False)
    admission.admit(connection, 1, 99, "extract")
    task = ledger.task_id(batch, "extract")
    for kind, whole_id in (("job", job), ("document", recorded.document_id), ("task", task)):
        assert status.resolve_id(connection, whole_id) == (kind, whole_id)
        assert status.resolve_id(connection, whole_id[:6]) == (kind, whole_id)
    for unknown in (job[:5], "", "%%%%%%", "______", str(uuid.uuid4()), job + "0"):
        with pytest.raises(UnknownId):
            status.resolve_id(connection, unknown)
    twin = job[:8] + "x"
    connection.execute(documents_table.insert().values(id=twin, collection="c", source="s", created_at=0, updated_at=0))
    with pytest.raises(UnknownId, match="not unique"):
        status.resolve_id(connection, job[:8])
    assert status.resolve_id(connection, job) == ("job", job)


def test_the_activity_of_a_document(connection: Connection) -> None:
    job = begin(connection)
    recorded = take(connection, job, "/a")
    batch = batch_of(connection, job, recorded, active=False)
    assert status.document_status(connection, recorded.document_id, ()).activity == "waiting"
    admission.admit(connection, 1, 99, "extract")
    assert status.document_status(connection, recorded.document_id, ()).activity == "queued"
    task = ledger.task_id(batch, "extract")
    ledger.claim(connection, task, "w1", {"w1"})
    activities = [
        status.document_status(connection, recorded.document_id, alive).activity for alive in ({"w1"}, {"w2"})
    ]
    assert activities == ["working", "recovering"]
    assert [running.id for running in status.active_tasks(connection, {"w1"})] == [task]
    assert status.active_tasks(connection, {"w2"}) == []
    ledger.release(connection, task, "w1")
    assert status.document_status(connection, recorded.document_id, {"w1"}).activity == "retrying"
    finish(connection, batch)
    done = status.document_status(connection, recorded.document_id, ())
    assert (done.state, done.activity, done.searchable) == ("completed", "ended", True)
    assert (done.pages, done.pages_ocr, done.chunks) == (3, 2, 2)
    assert [step.state for step in done.timeline] == ["completed"]


def test_status_shows_the_new_version_and_after_its_failure_the_searchable_one(connection: Connection) -> None:
    """While the new version is processed its state is shown; after its failure the old version is still searchable."""
    job = begin(connection)
    old = take(connection, job, "/a", "a")
    finish(connection, batch_of(connection, job, old), chunks=7)
    new = take(connection, begin(connection), "/a", "b")
    building = status.document_status(connection, old.document_id, ())
    assert (building.state, building.content_sha256, building.searchable) == ("queued", "b" * 64, True)
    attempts.fail(connection, {str(new.attempt_id): CORRUPT})
    failed = status.document_status(connection, old.document_id, ())
    assert (failed.state, failed.code, failed.content_sha256, failed.chunks) == ("failed", "corrupt", "a" * 64, 7)
    assert (failed.searchable, failed.hint) == (True, "Mend it.")
    # The old content comes back: there is no work, and the document is not failed any more.
    assert take(connection, begin(connection), "/a", "a").outcome == "unchanged"
    cured = status.document_status(connection, old.document_id, ())
    assert (cured.code, cured.searchable) == (None, True)
    deletion.tombstone(connection, [old.document_id])
    assert status.document_status(connection, old.document_id, ()).state == "deleted"


def test_a_refused_file_stays_failed_after_its_failure_is_purged(connection: Connection) -> None:
    job = begin(connection)
    records.reject(connection, job, "/pipe", 0, SPOILT)
    document_id = lookup.derive_document_id("documents", "/pipe")
    assert status.document_status(connection, document_id, ()).state == "failed"
    assert failure_list.purge(connection, FailureFilter(job_id=job)) == 1
    document = status.document_status(connection, document_id, ())
    assert (document.state, document.code, document.searchable) == ("failed", None, False)
    assert status.totals(connection)[0] == {"failed": 1}


def _said(connection: Connection, job: str) -> list[str]:
    """The kinds of the events of a job, in their order."""
    return [event.kind for event in events.list_after(connection, job, 0)]


def test_an_intake_that_goes_on_keeps_what_its_job_has_done(connection: Connection) -> None:
    job, other = begin(connection), begin(connection)
    finish(connection, batch_of(connection, job, take(connection, job, "/a"), take(connection, job, "/b")))
    before = _said(connection, job)
    assert before.count("document.completed") == 2
    assert [take(connection, job, source).outcome for source in ("/a", "/b")] == ["unchanged"] * 2
    assert (state_of(connection, job), _said(connection, job)) == ((False, {"completed": 2}), before)
    # A job that finds the document as it is says so, once.
    for _ in range(2):
        assert take(connection, other, "/a").outcome == "unchanged"
    assert state_of(connection, other) == (False, {"unchanged": 1})
    assert _said(connection, other) == ["job.created", "document.unchanged"]
    # Another content is new work in the same job.
    assert take(connection, job, "/b", "b").outcome == "new"
    assert state_of(connection, job)[1] == {"completed": 1}


def test_a_file_that_is_refused_again_in_the_same_job_is_reported_once(connection: Connection) -> None:
    job, cause = begin(connection), Failure("intake", Problem("unreadable", "It cannot be opened.", "Look."))
    for _ in range(2):
        records.reject(connection, job, "/a", 10, cause)
    assert _said(connection, job) == ["job.created", "document.failed"]
    assert state_of(connection, job)[1] == {"failed": 1}


def test_each_job_lists_the_failure_that_happened_in_it(connection: Connection) -> None:
    first, second = begin(connection), begin(connection)
    attempts.fail(connection, {str(take(connection, first, "/a").attempt_id): CORRUPT})
    records.reject(connection, second, "/a", 0, SPOILT)
    assert [(failure["code"], failure["hint"]) for failure in failures.list_of_job(connection, first)] == [
        ("corrupt", "")
    ]
    assert [(failure["code"], failure["hint"]) for failure in failures.list_of_job(connection, second)] == [
        ("unreadable", "Look.")
    ]
    (kept,) = failure_list.list_chosen(connection, FailureFilter())
    assert (kept.code, kept.job_id) == ("unreadable", second)


def test_totals_count_states_chunks_and_failures(connection: Connection) -> None:
    job = begin(connection)
    done, failed, waiting = (take(connection, job, f"/{name}") for name in "abc")
    finish(connection, batch_of(connection, job, done), chunks=3)
    attempts.fail(connection, {str(failed.attempt_id): CORRUPT})
    other = take(connection, begin(connection, collection="other"), "/d")
    finish(connection, batch_of(connection, job, other), chunks=4)
    deletion.tombstone(connection, [waiting.document_id])
    states, chunks, failures = status.totals(connection)
    assert states == {"completed": 2, "failed": 1, "deleted": 1}
    assert (chunks, failures) == ({"documents": 3, "other": 4}, 1)


# Cancelling


def test_cancelling_a_job_keeps_attempts_that_another_job_waits_for(connection: Connection) -> None:
    mine, theirs = begin(connection), begin(connection)
    shared, own = take(connection, mine, "/shared"), take(connection, mine, "/own")
    together = batch_of(connection, mine, shared, own, active=False)
    assert take(connection, theirs, "/shared").outcome == "joined"
    for job in (mine, theirs):
        jobs.finish_intake(connection, job)
    assert cancel_job(connection, mine) == 2
    assert state_of(connection, mine) == (True, {"cancelled": 2})
    assert state_of(connection, theirs) == (False, {})
    # The attempt that the other job waits for is in a batch that is not yet admitted.
    assert admission.admit(connection, 1, 99, "extract") == [together]
    assert [attempt.source for attempt in batch_documents.running(connection, together)] == ["/shared"]
    finish(connection, together)
    assert state_of(connection, theirs) == (True, {"completed": 1})
    assert state_of(connection, mine) == (True, {"cancelled": 2})


def test_cancelling_a_job_that_only_joined(connection: Connection) -> None:
    mine, theirs = begin(connection), begin(connection)
    batch = batch_of(connection, mine, take(connection, mine, "/shared"))
    take(connection, theirs, "/shared")
    for job in (mine, theirs):
        jobs.finish_intake(connection, job)
    assert cancel_job(connection, theirs) == 1
    assert state_of(connection, theirs) == (True, {"cancelled": 1})
    finish(connection, batch)
    assert state_of(connection, mine) == (True, {"completed": 1})


def test_cancelling_twice_and_after_the_end(connection: Connection) -> None:
    job = begin(connection)
    batch = batch_of(connection, job, take(connection, job, "/a"), active=False)
    # The intake still adds files.
    assert cancel_job(connection, job) == 1
    assert state_of(connection, job) == (True, {"cancelled": 1})
    assert jobs.is_cancelled(connection, job)
    assert connection.scalar(sa.select(batches_table.c.state).where(batches_table.c.id == batch)) == "cancelled"
    assert cancel_job(connection, job) == 0
    done = begin(connection)
    finish(connection, batch_of(connection, done, take(connection, done, "/b")))
    jobs.finish_intake(connection, done)
    assert cancel_job(connection, done) == 0
    assert not jobs.is_cancelled(connection, done)


def test_cancelling_a_document_ends_it_for_all_jobs_that_wait(connection: Connection) -> None:
    mine, theirs = begin(connection), begin(connection)
    shared = take(connection, mine, "/shared")
    take(connection, theirs, "/shared")
    for job in (mine, theirs):
        jobs.finish_intake(connection, job)
    number, waiting = cancel_document(connection, shared.document_id)
    assert (number, set(waiting)) == (1, {mine, theirs})
    assert state_of(connection, mine) == state_of(connection, theirs) == (True, {"cancelled": 1})
    assert cancel_document(connection, shared.document_id) == (0, [])


# One live version, whatever happens


def test_points_of_a_version_that_failed_first_and_lived_later_are_removed(connection: Connection) -> None:
    """A retry builds the same version again: its points must be removed again although they were removed once."""
    first = take(connection, begin(connection), "/a", "a")
    attempts.fail(connection, {str(first.attempt_id): CORRUPT})
    (version,) = garbage.unused_versions(connection, [first.document_id])
    garbage.mark_removed(connection, [version])
    again = take(connection, begin(connection), "/a", "a")
    finish(connection, batch_of(connection, begin(connection), again))
    assert live_versions.live_version_ids(connection, [first.document_id]) == {first.document_id: version}
    finish(connection, batch_of(connection, begin(connection), take(connection, begin(connection), "/a", "b")))
    assert garbage.unused_versions(connection, [first.document_id]) == [version]


class Versions(RuleBasedStateMachine):
    """Random operations on two documents, beside a model of the store that knows which versions have points."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.name = uuid.uuid4().hex
        self.store: set[str] = set()
        self.open: list[str] = []
        self.jobs: list[str] = []

    def source(self, which: int) -> str:
        return f"/{self.name}/{which}"

    def document_id(self, which: int) -> str:
        return lookup.derive_document_id("documents", self.source(which))

    def known(self, connection: Connection) -> dict[str, str | None]:
        mine = documents_table.c.source.startswith(f"/{self.name}/")
        rows = connection.execute(sa.select(documents_table.c.id, documents_table.c.live_version_id).where(mine))
        return {row.id: row.live_version_id for row in rows}

    def remove_unseen(self, connection: Connection, identities: list[str], batch: str = "") -> None:
        unseen = garbage.unused_versions(connection, identities, batch)
        self.store -= set(unseen)
        garbage.mark_removed(connection, unseen)

    @rule(which=st.integers(0, 1), content=st.sampled_from("ab"))
    def ingest(self, which: int, content: str) -> None:
        with writing(self.engine) as connection:
            job = begin(connection)
            recorded = take(connection, job, self.source(which), content)
            jobs.finish_intake(connection, job)
            self.jobs.append(job)
            if recorded.outcome == "new":
                self.open.append(batch_of(connection, job, recorded))

    @rule(which=st.integers(0, 9))
    def upsert(self, which: int) -> None:
        """Store points of an attempt, which may have been cancelled a moment before."""
        if self.open:
            batch = self.open[which % len(self.open)]
            with self.engine.connect() as connection:
                query = sa.text("SELECT version_id FROM attempts WHERE batch_id = :batch")
                self.store |= set(connection.scalars(query, {"batch": batch}))

    @rule(which=st.integers(0, 3), fails=st.booleans())
    def finalize(self, which: int, fails: bool) -> None:
        if not self.open:
            return
        batch = self.open.pop(which % len(self.open))
        with writing(self.engine) as connection:
            carried = batch_documents.running(connection, batch)
            if fails:
                attempts.fail(connection, {attempt.attempt_id: CORRUPT for attempt in carried})
                carried = []
            self.store |= {attempt.version_id for attempt in carried}
            live_versions.switch(connection, {attempt.document_id: attempt.version_id for attempt in carried})
        with writing(self.engine) as connection:
            query = sa.text("SELECT document_id FROM attempts WHERE batch_id = :batch")
            self.remove_unseen(connection, list(connection.scalars(query, {"batch": batch})), batch)
            attempts.complete(connection, [attempt.attempt_id for attempt in carried])
            batches.finish(connection, batch)

    @rule(which=st.integers(0, 1), content=st.sampled_from("ab"), fails=st.booleans())
    def ingest_to_the_end(self, which: int, content: str, fails: bool) -> None:
        before = len(self.open)
        self.ingest(which, content)
        if len(self.open) > before:
            self.finalize(before, fails)

    @rule(which=st.integers(0, 1))
    def cancel(self, which: int) -> None:
        with writing(self.engine) as connection:
            cancel_document(connection, self.document_id(which))

    @rule(which=st.integers(0, 9))
    def cancel_a_job(self, which: int) -> None:
        if self.jobs:
            with writing(self.engine) as connection:
                cancel_job(connection, self.jobs[which % len(self.jobs)])

    @rule(which=st.integers(0, 1))
    def delete(self, which: int) -> None:
        with writing(self.engine) as connection:
            if self.document_id(which) in self.known(connection):
                deletion.tombstone(connection, [self.document_id(which)])
                self.remove_unseen(connection, [self.document_id(which)])

    @invariant()
    def at_most_one_version_is_live(self) -> None:
        with self.engine.connect() as connection:
            for document_id, live in self.known(connection).items():
                query = sa.select(versions.c.id).where(
                    versions.c.document_id == document_id,
                    versions.c.live_at.is_not(None),
                    versions.c.retired_at.is_(None),
                )
                assert list(connection.scalars(query)) == ([live] if live else [])
                assert live is None or live in self.store

    @invariant()
    def a_job_is_finished_when_nothing_of_it_is_open(self) -> None:
        with self.engine.connect() as connection:
            for job in self.jobs:
                open_ones = submissions_table.c.job_id == job, submissions_table.c.outcome.is_(None)
                waiting = connection.scalar(sa.select(sa.func.count()).select_from(submissions_table).where(*open_ones))
                assert state_of(connection, job)[0] == (waiting == 0)

    def teardown(self) -> None:
        """At the end the store holds exactly the live versions, and no live document is failed."""
        while self.open:
            self.finalize(0, fails=False)
        with self.engine.connect() as connection:
            known = self.known(connection)
            assert self.store == {live for live in known.values() if live}
            failed = connection.scalars(
                sa.select(failures_table.c.document_id).where(failures_table.c.document_id.in_(known))
            ).all()
            assert [name for name in failed if status.document_status(connection, name, ()).state == "completed"] == []


def test_at_most_one_version_is_live(engine: Engine) -> None:
    machine = type("Machine", (Versions,), {"engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            # Shrinking takes minutes, as every step writes to a file.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
