"""Indexes of a collection in the catalog: the build of a second index, the switch, and attempts that wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from embeddings.base import Fingerprint
from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.schema import attempts as attempts_table
from pipeline.catalog.database.schema import documents as documents_table
from pipeline.catalog.database.schema import failures as failures_table
from pipeline.catalog.database.schema import versions
from pipeline.catalog.documents import deletion, garbage, live_versions, records
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.versions import FileRecord, Placement, describe_versions, new_attempt
from pipeline.catalog.index import collections, indexes, second_index
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.reindex import missing_documents, reindexes
from pipeline.catalog.reindex.cutover import discard, exchange
from pipeline.catalog.reindex.reindexes import Options, Reindex
from pipeline.catalog.work import admission, attempts, batch_documents, batches, failures, jobs
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.errors import SpaceMismatch, UnknownId
from pipeline.errors.problem import Problem
from pipeline.plan import IndexSpec
from pipeline.reindex import cutover
from pipeline.reindex.validation import judge_search
from pipeline.services import Services
from pipeline.settings import Settings

OLD = Fingerprint("old", "1", "float", "mean", True, "", "", 384)
NEW = Fingerprint("new", "1", "float", "mean", True, "", "", 128)
MADE = IndexSpec("old", "auto", None, None, 256, 32)
CORRUPT = Failure("embed", Problem("corrupt", "It is damaged.", "Mend it."))


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine: Engine = open_catalog(sqlite_url(tmp_path))
    with writing(engine) as connection:
        yield connection
    engine.dispose()


class Books:
    """A collection with two documents and a second index that is being built."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.live = collections.register(connection, "books", OLD, MADE)
        self.job = jobs.create(connection, Job("books", "ingest", 5), "r", 0).id
        self.first, self.second = (self.ingest(source) for source in ("/1", "/2"))
        made = IndexSpec("new", "auto", None, None, 256, 32)
        self.new = indexes.add(connection, Index("books~2", "books", "building", NEW, made, pinned=True))
        self.fed = jobs.create(connection, Job("books", "reindex", 1), "r", 0).id
        self.reindex = reindexes.create(connection, self.fed, "books", (self.live.name, "books~2"), Options())

    def take(self, source: str, content: str = "a", workflow: str = "ingest") -> Recorded:
        file = FileRecord(source, content * 64, 10, 1.0, {"made by": workflow} if workflow != "ingest" else {})
        placement = Placement(str(indexes.live(self.connection, "books").name), workflow)  # type: ignore[union-attr]
        return records.record(self.connection, self.job, f"recipe {workflow}", file, placement)

    def ingest(self, source: str, content: str = "a", workflow: str = "ingest") -> str:
        recorded = self.take(source, content, workflow)
        self.finish(str(recorded.attempt_id))
        return recorded.document_id

    def finish(self, *attempt_ids: str, chunks: int = 3) -> None:
        batch = batches.create(self.connection, self.job, 5, attempt_ids, active=True)
        carried = batch_documents.running(self.connection, batch)
        for attempt in carried:
            describe_versions(self.connection, {attempt.version_id: {"chunks": chunks}})
        live_versions.switch(self.connection, {attempt.document_id: attempt.version_id for attempt in carried})
        attempts.complete(self.connection, [attempt.attempt_id for attempt in carried])
        batches.finish(self.connection, batch)

    def build(self, index: str = "books~2") -> dict[str, str]:
        """Begin an attempt for each document missing in the index: {document id: attempt id}."""
        begun = {}
        for document in missing_documents.list_missing(self.connection, "books", index, "missing"):
            placement = Placement(index, document.workflow, document.extraction)
            attempt = new_attempt(self.connection, self.fed, document.document_id, "other", document.file, placement)
            second_index.set_attempt(self.connection, document.document_id, index, attempt, document.version_id)
            begun[document.document_id] = attempt
        return begun

    def missing(self, index: str = "books~2") -> tuple[int, int, int]:
        counts = missing_documents.count_missing(self.connection, "books", index)
        return counts["missing"], counts["active"], counts["failed"]

    def switch(self, old: str = "books~1", new: str = "books~2") -> None:
        pair = [indexes.get(self.connection, name) for name in (old, new)]
        exchange(self.connection, pair[0], pair[1], lambda index, version, extraction: f"for {index.name}")

    def seen(self) -> dict[str, str]:
        """Index of the version that readers see, by document."""
        query = sa.select(documents_table.c.id, versions.c.index_name)
        query = query.join(versions, versions.c.id == documents_table.c.live_version_id)
        return {row.id: row.index_name for row in self.connection.execute(query)}

    def shown(self, document_id: str) -> tuple[str, str] | None:
        """Content and workflow of the version that readers see of a document."""
        query = sa.select(versions.c.content_sha256, versions.c.workflow)
        query = query.join(documents_table, versions.c.id == documents_table.c.live_version_id)
        row = self.connection.execute(query.where(documents_table.c.id == document_id)).one_or_none()
        return None if row is None else (row.content_sha256[0], row.workflow)


@pytest.fixture
def books(connection: Connection) -> Books:
    return Books(connection)


def test_settings_decide_for_an_index_that_was_never_pinned(connection: Connection) -> None:
    finer = IndexSpec("old", "auto", None, None, 64, 8)
    assert collections.register(connection, "c", OLD, MADE).spec == MADE
    assert collections.register(connection, "c", OLD, finer).spec == finer
    with pytest.raises(SpaceMismatch, match="384 dimensions"):
        collections.register(connection, "c", NEW, MADE)
    indexes.pin(connection, "c~1")
    kept = collections.register(connection, "c", NEW, MADE)
    assert (kept.fingerprint, kept.spec) == (OLD, finer)


def test_names_of_indexes_are_never_reused(books: Books) -> None:
    discard(books.connection, "books~2")
    indexes.set_role(books.connection, "books~2", "dropped")
    assert indexes.next_name(books.connection, "books") == "books~3"
    with pytest.raises(UnknownId):
        indexes.get(books.connection, "books~2")


def test_during_a_build_readers_see_only_the_live_index(books: Books) -> None:
    assert books.missing() == (2, 0, 0)
    begun = books.build()
    assert books.missing() == (0, 2, 0)
    books.finish(begun[books.first])
    assert books.missing() == (0, 1, 0)
    books.finish(begun[books.second])
    assert books.missing() == (0, 0, 0)
    assert set(books.seen().values()) == {"books~1"}
    assert garbage.unused_versions(books.connection, [books.first, books.second]) == []


def test_documents_ingested_during_a_build_are_missing_in_the_new_index(books: Books) -> None:
    books.finish(*books.build().values())
    books.ingest("/1", "b")
    books.ingest("/3")
    assert books.missing() == (2, 0, 0)
    books.finish(*books.build().values())
    assert books.missing() == (0, 0, 0)
    # The first version of the changed document is not used in either index any more.
    gone = garbage.unused_versions(books.connection, [books.first])
    assert sorted(garbage.group_by_index(books.connection, gone)) == ["books~1", "books~2"]


def test_readers_are_switched_and_back(books: Books) -> None:
    books.finish(*books.build().values())
    before = live_versions.switch_count(books.connection)
    books.switch()
    assert set(books.seen().values()) == {"books~2"}
    assert live_versions.switch_count(books.connection) > before
    shown = indexes.live(books.connection, "books")
    assert shown is not None
    assert (shown.name, shown.fingerprint) == ("books~2", NEW)
    # The old index is kept up to date, so that a rollback is possible.
    books.ingest("/3")
    assert books.missing("books~1") == (1, 0, 0)
    books.finish(*books.build("books~1").values())
    books.switch("books~2", "books~1")
    discard(books.connection, "books~2")
    assert set(books.seen().values()) == {"books~1"}
    assert len(books.seen()) == 3
    assert books.connection.scalar(sa.select(sa.func.count()).select_from(second_index.shadows)) == 0


def test_queued_attempts_move_to_the_new_index_at_the_switch(books: Books) -> None:
    """The attempt of a changed document has not begun: readers see the old content in the new index until it ends."""
    books.finish(*books.build().values())
    waiting = books.take("/1", "b")
    books.switch()
    query = sa.select(versions.c.index_name, versions.c.recipe).where(versions.c.content_sha256 == "b" * 64)
    assert books.connection.execute(query).one() == ("books~2", "for books~2")
    assert books.seen()[books.first] == "books~2"
    books.finish(str(waiting.attempt_id))
    live = books.connection.scalar(
        sa.select(versions.c.content_sha256)
        .join(documents_table, documents_table.c.live_version_id == versions.c.id)
        .where(documents_table.c.id == books.first)
    )
    assert live == "b" * 64
    assert books.missing("books~1") == (1, 0, 0)


def test_a_failure_in_the_new_index_is_no_failure_of_the_document(books: Books) -> None:
    begun = books.build()
    books.finish(begun[books.second])
    attempts.fail(books.connection, {begun[books.first]: CORRUPT})
    assert books.missing() == (0, 0, 1)
    count = sa.select(sa.func.count()).select_from(failures_table)
    assert books.connection.scalar(count) == 0
    listed = missing_documents.failures_in_index(
        books.connection, reindexes.get(books.connection, books.reindex), "books~2"
    )
    assert [(failure["source"], failure["code"]) for failure in listed] == [("/1", "corrupt")]
    # If the user switches all the same, readers do not see the document: now it has failed.
    books.switch()
    assert books.connection.scalar(count) == 1
    assert list(books.seen()) == [books.second]


def test_a_deleted_document_is_in_no_index(books: Books) -> None:
    books.finish(*books.build().values())
    deletion.tombstone(books.connection, [books.first])
    gone = garbage.group_by_index(books.connection, garbage.unused_versions(books.connection, [books.first]))
    assert sorted(gone) == ["books~1", "books~2"]
    assert books.missing() == (0, 0, 0)


def test_no_batch_of_the_collection_is_admitted_during_the_switch(books: Books) -> None:
    mine = batches.create(books.connection, books.job, 5, [str(books.take("/9").attempt_id)])
    fed = batches.create(books.connection, books.fed, 1, list(books.build().values()))
    other = jobs.create(books.connection, Job("papers", "ingest", 5), "r", 0).id
    elsewhere = batches.create(books.connection, other, 5, [])
    reindexes.enter_state(books.connection, books.reindex, "switching")
    assert set(admission.admit(books.connection, 4, 99, "extract")) == {fed, elsewhere}
    reindexes.enter_state(books.connection, books.reindex, "building")
    assert admission.admit(books.connection, 4, 99, "extract") == [mine]
    assert reindexes.count_in_flight(books.connection, "books~1") == 1


def test_a_document_with_a_changed_workflow_is_missing_in_the_other_index(books: Books) -> None:
    """Redacted during the build, with unchanged bytes: neither switch nor rollback shows the old text."""
    books.finish(*books.build().values())
    books.ingest("/1", workflow="redact")
    assert books.missing() == (1, 0, 0)
    books.finish(*books.build().values())
    books.switch()
    assert books.shown(books.first) == ("a", "redact")
    assert books.missing("books~1") == (0, 0, 0)
    books.ingest("/2", workflow="redact")
    assert books.missing("books~1") == (1, 0, 0)
    books.finish(*books.build("books~1").values())
    books.switch("books~2", "books~1")
    assert books.shown(books.second) == ("a", "redact")


def test_a_failed_document_is_missing_again_after_its_workflow_changes(books: Books) -> None:
    attempts.fail(books.connection, {books.build()[books.first]: CORRUPT})
    assert books.missing() == (0, 1, 1)
    books.ingest("/1", workflow="redact")
    assert books.missing() == (1, 1, 0)


def test_a_document_that_failed_in_the_new_index_is_there_again_after_the_way_back(books: Books) -> None:
    begun = books.build()
    books.finish(begun[books.second])
    attempts.fail(books.connection, {begun[books.first]: CORRUPT})
    books.switch()
    books.switch("books~2", "books~1")
    assert set(books.seen()) == {books.first, books.second}
    assert books.connection.scalar(sa.select(sa.func.count()).select_from(failures_table)) == 0


def test_an_older_content_that_stays_searchable_is_reported(books: Books) -> None:
    books.finish(*books.build().values())
    books.switch()
    three = books.ingest("/3")
    books.ingest("/1", "b")
    attempts.fail(books.connection, dict.fromkeys(books.build("books~1").values(), CORRUPT))
    reindex = reindexes.get(books.connection, books.reindex)
    listed = [
        (each["source"], each["holds"])
        for each in missing_documents.failures_in_index(books.connection, reindex, "books~1")
    ]
    assert listed == [("/1", "older"), ("/3", "nothing")]
    books.switch("books~2", "books~1")
    assert books.shown(books.first) == ("a", "ingest")
    assert books.shown(three) is None
    open_ones = books.connection.scalars(sa.select(failures_table.c.source).order_by(failures_table.c.source)).all()
    assert open_ones == ["/1", "/3"]


def test_documents_deleted_or_changed_before_their_attempt_are_not_built(books: Books) -> None:
    missing = missing_documents.list_missing(books.connection, "books", "books~2", "missing")
    assert missing_documents.still_missing(books.connection, "books", "books~2", missing) == missing
    deletion.tombstone(books.connection, [books.first])
    books.ingest("/2", "b")
    assert missing_documents.still_missing(books.connection, "books", "books~2", missing) == []


def test_a_rollback_admits_batches_until_it_switches_back(books: Books) -> None:
    mine = batches.create(books.connection, books.job, 5, [str(books.take("/9").attempt_id)])
    reindexes.enter_state(books.connection, books.reindex, "switching_back")
    assert admission.admit(books.connection, 4, 99, "extract") == []
    reindexes.enter_state(books.connection, books.reindex, "rolling_back")
    assert admission.admit(books.connection, 4, 99, "extract") == [mine]


def test_a_reindex_with_a_start_time_is_scoped() -> None:
    assert Options(before=0.0).scoped
    assert not Options(per_minute=1, re_extract=True).scoped


def test_a_version_marked_missing_is_built_again_and_kept_until_then(books: Books) -> None:
    begun = books.build()
    books.finish(*begun.values())
    (broken,) = [
        version.version_id
        for version in missing_documents.indexed_versions(books.connection, "books~2")
        if version.document_id == books.first
    ]
    second_index.mark_missing(books.connection, "books~2", [broken])
    assert books.missing() == (1, 0, 0)
    again = books.build()
    assert list(again) == [books.first]
    books.finish(*again.values())
    assert books.missing() == (0, 0, 0)
    assert broken not in [
        version.version_id for version in missing_documents.indexed_versions(books.connection, "books~2")
    ]
    assert broken in garbage.unused_versions(books.connection, [books.first])


def test_failures_of_a_reindex_in_place_are_listed_until_they_are_fixed(books: Books) -> None:
    reindex_id = reindexes.create(books.connection, books.job, "books", ("books~1", "books~1"), Options(code="corrupt"))
    recorded = books.take("/3")
    attempts.fail(books.connection, {str(recorded.attempt_id): CORRUPT})
    listed = lambda: missing_documents.open_failures(books.connection, reindexes.get(books.connection, reindex_id))  # noqa: E731
    assert listed() == [{"source": "/3", "code": "corrupt", "message": "It is damaged.", "holds": "nothing"}]
    assert failures.count_of_job(books.connection, books.job) == 1
    books.ingest("/3", "b")
    assert listed() == []
    assert failures.count_of_job(books.connection, books.job) == 0


@pytest.mark.parametrize(
    ("figures", "compared", "kinds"),
    [
        ({"recall": 0.95, "overlap": 0.3}, "overlap", []),
        ({"recall": 0.94, "overlap": 0.29}, "overlap", ["recall", "overlap"]),
        ({"recall": 1.0, "overlap": 0.0, "refound": 0.3}, "refound", []),
        ({"recall": 1.0, "overlap": 1.0, "refound": 0.29}, "refound", ["overlap"]),
        ({"recall": 1.0, "overlap": 0.0, "refound": 0.0}, None, []),
    ],
)
def test_a_failed_validation_names_its_setting(
    figures: dict[str, float], compared: str | None, kinds: list[str]
) -> None:
    reasons = judge_search(figures, Settings(), compared)
    assert [reason.kind for reason in reasons] == kinds
    for reason in reasons:
        assert f"`reindex_{reason.kind}` asks for " in reason.message
        assert f"set `reindex_{reason.kind}` lower" in reason.hint


class Waiting:
    """A re-index that is ready to freeze its collection, while an attempt of a document is running."""

    def __init__(self, folder: Path) -> None:
        self.services = Services(Settings(data_dir=folder))
        with writing(self.services.catalog) as connection:
            books = Books(connection)
            books.finish(*books.build().values())
            self.reindex_id = books.reindex
            self.attempt = str(books.take("/long").attempt_id)
            batches.create(connection, books.job, 5, [self.attempt], active=True)
        self.since(10.0)

    def since(self, seconds: float) -> None:
        """Set how many seconds ago the attempt began."""
        with writing(self.services.catalog) as connection:
            here = attempts_table.update().where(attempts_table.c.id == self.attempt)
            connection.execute(here.values(state="extracting", started_at=time.time() - seconds))

    def reindex(self, **values: object) -> Reindex:
        """Update the re-index with these values and return it."""
        with writing(self.services.catalog) as connection:
            if values:
                reindexes.update(connection, self.reindex_id, **values)
            return reindexes.get(connection, self.reindex_id)

    def options(self, **values: float) -> Reindex:
        """Change the options of the re-index."""
        return self.reindex(options={"gave_way": 0, "near_since": 0.0, **values})

    def can_freeze(self) -> bool:
        return cutover.can_freeze(self.services, self.reindex(), "books~1")


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    waiting = Waiting(tmp_path)
    yield waiting
    waiting.services.catalog.dispose()


def test_a_freeze_does_not_begin_while_an_attempt_runs_long(waiting: Waiting) -> None:
    assert waiting.can_freeze()
    assert waiting.reindex().message is None
    waiting.since(cutover.LONG_RUNNING_S + 1)
    assert not waiting.can_freeze()
    assert waiting.reindex().message == "The switch waits for the end of what is at work for more than 60 s: /long."
    # If long attempts never end, the freeze begins in spite of them after a while.
    waiting.options(near_since=time.time() - cutover.PATIENCE_S - 1)
    assert waiting.can_freeze()
    assert waiting.reindex().message is None


def test_a_freeze_does_not_begin_while_the_reindex_itself_runs_long(waiting: Waiting) -> None:
    job = waiting.reindex().job_id
    with writing(waiting.services.catalog) as connection:
        connection.execute(attempts_table.update().where(attempts_table.c.id == waiting.attempt).values(job_id=job))
    waiting.since(cutover.LONG_RUNNING_S + 1)
    assert not cutover.can_freeze(waiting.services, waiting.reindex(), "another")


def test_the_pause_grows_after_each_freeze_that_failed(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    began = now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    waits: list[tuple[float, float]] = []
    for _ in range(4):
        held_since = now
        waiting.reindex(state="switching", entered_at=now)
        while waiting.reindex().state == "switching":
            now += 5.0
            cutover.end_freeze(waiting.services, waiting.reindex(), "building")
        gave_way = now
        while not _holds(waiting):
            now += 5.0
            assert now - began < 3600
        waits.append((gave_way - held_since, now - gave_way))
    assert waits == [(35.0, 60.0), (65.0, 120.0), (125.0, 240.0), (125.0, 480.0)]


def _holds(waiting: Waiting) -> bool:
    waiting.since(10.0)
    if waiting.can_freeze():
        return True
    assert str(waiting.reindex().message).startswith("It gave way to what was under way, ")
    return False


def test_a_freeze_ends_when_no_attempt_is_in_flight(waiting: Waiting) -> None:
    reindex: Callable[[], Reindex] = lambda: waiting.reindex(state="switching", entered_at=time.time())  # noqa: E731
    assert not cutover.is_idle(waiting.services, reindex(), "books~1", "books~2")
    with writing(waiting.services.catalog) as connection:
        attempts.cancel(connection, attempts_table.c.id == waiting.attempt)
    assert cutover.is_idle(waiting.services, reindex(), "books~1", "books~2")


def test_an_index_stored_without_its_analyser_has_the_first_one() -> None:
    stored = {name: value for name, value in asdict(replace(MADE, analyser=2)).items() if name != "analyser"}

    assert IndexSpec(**stored).analyser == 1


def test_an_index_keeps_its_analyser_whatever_the_settings_are(connection: Connection) -> None:
    newer = replace(MADE, analyser=2, chunk_tokens=64)

    collections.register(connection, "c", OLD, MADE)
    kept = collections.register(connection, "c", OLD, newer)

    assert kept.spec == replace(MADE, analyser=1, chunk_tokens=64)
    assert collections.register(connection, "d", OLD, newer).spec == newer
    assert indexes.analysers(connection) == {"c": 1, "d": 2}
