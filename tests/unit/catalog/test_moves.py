"""Renaming, tagging, deleting with undo, reviving: changes of catalog rows while the points in the store stay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from embeddings.base import Fingerprint
from pipeline.catalog.database.connection import open_catalog, sqlite_url
from pipeline.catalog.database.schema import documents as table
from pipeline.catalog.database.schema import versions
from pipeline.catalog.documents import deletion, garbage, live_versions, lookup, moves, records, tagging
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.versions import FileRecord, describe_versions
from pipeline.catalog.index import collections
from pipeline.catalog.work import attempts, batch_documents, batches, jobs
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.errors.problem import Problem
from pipeline.plan import spec_of
from pipeline.settings import Settings
from pipeline.types import Tags

MAKING = spec_of(Settings())
LATER = time.time() + 3600


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_catalog(sqlite_url(tmp_path))
    with engine.connect() as opened:
        opened.execution_options(writing=True)
        with opened.begin():
            yield opened
    engine.dispose()


def take(connection: Connection, source: str, content: str = "a") -> Recorded:
    collections.register(
        connection, "documents", Fingerprint("test/tiny", "1", "float", "mean", True, "", "", 8), MAKING
    )
    job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0).id
    return records.record(connection, job, "recipe", FileRecord(source, content * 64, 100, 1.0))


def live(connection: Connection, source: str, content: str = "a") -> str:
    """Create a searchable document. Returns its id."""
    recorded = take(connection, source, content)
    if recorded.attempt_id is not None:
        batch = batches.create(connection, "job", 5, [recorded.attempt_id], active=True)
        (attempt,) = batch_documents.running(connection, batch)
        describe_versions(connection, {attempt.version_id: {"title": Path(source).name}})
        live_versions.switch(connection, {attempt.document_id: attempt.version_id})
        attempts.complete(connection, [attempt.attempt_id])
    return recorded.document_id


def sources(connection: Connection) -> dict[str, str]:
    """Source of every document that is not deleted: {document id: source}."""
    rows = connection.execute(sa.select(table.c.id, table.c.source).where(table.c.deleted_at.is_(None)))
    return {row.id: row.source for row in rows}


def test_documents_are_found_by_either_spelling_of_a_name(connection: Connection) -> None:
    """A file from macOS in a folder named on Linux, and two files whose names only look the same."""
    mixed = "/srv/B\u00fccher/U\u0308bersicht.txt"
    document_id = live(connection, mixed)
    composed, decomposed = live(connection, "/srv/caf\u00e9.txt", "b"), live(connection, "/srv/cafe\u0301.txt", "c")

    for name in ("/srv/B\u00fccher/\u00dcbersicht.txt", "/srv/Bu\u0308cher", "/srv/B\u00fccher/", mixed, document_id):
        assert lookup.find(connection, "documents", [name]) == {document_id: mixed}
    assert lookup.find(connection, "documents", ["/srv/caf\u00e9.txt"]) == {composed: "/srv/caf\u00e9.txt"}
    assert lookup.find(connection, "documents", ["/srv/cafe\u0301.txt"]) == {decomposed: "/srv/cafe\u0301.txt"}
    assert lookup.find(connection, "documents", ["/srv/\u00dcbersicht.txt", "\u00dcbersicht.txt", "/srv/b"]) == {}
    assert lookup.find(connection, "other", ["/srv/B\u00fccher"]) == {}
    assert lookup.spellings(connection, "documents", "/srv/Bu\u0308cher") == ["/srv/B\u00fccher"]


def test_a_renamed_document_keeps_id_and_version(connection: Connection) -> None:
    document_id = live(connection, "/a.txt")
    version = live_versions.live_version_ids(connection, [document_id])

    assert moves.rename(connection, {document_id: "/b.txt"}) == {document_id}

    assert live_versions.live_version_ids(connection, [document_id]) == version
    assert lookup.sources(connection, [document_id]) == {document_id: "/b.txt"}
    assert connection.scalar(sa.select(versions.c.title)) == "b.txt"
    assert take(connection, "/b.txt").outcome == "unchanged"


def test_a_title_from_the_content_survives_a_rename(connection: Connection) -> None:
    document_id = live(connection, "/a.txt")
    connection.execute(versions.update().values(title="On boats"))
    moves.rename(connection, {document_id: "/b.txt"})
    assert connection.scalar(sa.select(versions.c.title)) == "On boats"


def test_documents_exchange_their_sources_in_a_circle(connection: Connection) -> None:
    first, second, third = (live(connection, f"/{name}", name) for name in "abc")
    assert moves.rename(connection, {first: "/b", second: "/c", third: "/a"}) == {first, second, third}
    assert sources(connection) == {first: "/b", second: "/c", third: "/a"}


def test_the_old_name_is_free_for_another_document(connection: Connection) -> None:
    document_id = live(connection, "/a")
    moves.rename(connection, {document_id: "/b"})
    other = live(connection, "/a", "x")
    assert other != document_id
    assert sources(connection) == {document_id: "/b", other: "/a"}
    assert live(connection, "/a", "y") == other


def test_a_source_that_another_document_keeps_is_not_reused(connection: Connection) -> None:
    first, second, third = (live(connection, f"/{name}", name) for name in "abc")
    assert moves.rename(connection, {first: "/b", third: "/a"}) == set()
    deletion.tombstone(connection, [second], LATER)
    assert moves.rename(connection, {first: "/b", third: "/a"}) == {first, third}
    assert sources(connection) == {first: "/b", third: "/a"}


def test_a_document_with_a_running_attempt_is_not_renamed(connection: Connection) -> None:
    running = take(connection, "/a").document_id
    assert moves.rename(connection, {running: "/b"}) == set()


def test_a_deleted_document_is_revived_under_its_new_name(connection: Connection) -> None:
    document_id = live(connection, "/a")
    deletion.tombstone(connection, [document_id], LATER)
    assert sources(connection) == {}
    assert garbage.unused_versions(connection, [document_id]) == []
    assert garbage.documents_with_leftovers(connection, LATER, 10) == []

    assert deletion.revive(connection, {document_id: ("/b", "a" * 64)}) == {document_id}

    assert sources(connection) == {document_id: "/b"}
    assert take(connection, "/b").outcome == "unchanged"
    (row,) = moves.waiting_for_labels(connection)
    assert (row.id, row.source) == (document_id, "/b")
    moves.mark_labelled(connection, {document_id: row.moved_at})
    assert moves.waiting_for_labels(connection) == []


def test_a_document_deleted_without_undo_is_not_revived(connection: Connection) -> None:
    first, second = live(connection, "/a"), live(connection, "/b", "b")
    deletion.tombstone(connection, [first])
    deletion.tombstone(connection, [second], time.time() - 1)
    assert deletion.revive(connection, {first: ("/a", "a" * 64), second: ("/b", "b" * 64)}) == set()
    assert len(garbage.unused_versions(connection, [first, second])) == 2
    assert deletion.list_expired(connection, 10) == [second]
    deletion.end_undo(connection, [second])
    assert deletion.list_expired(connection, 10) == []


def test_a_deleted_file_with_new_content_is_not_revived(connection: Connection) -> None:
    document_id = live(connection, "/a")
    deletion.tombstone(connection, [document_id], LATER)
    assert live(connection, "/a", "x") == document_id
    assert deletion.revive(connection, {document_id: ("/a", "a" * 64)}) == set()
    assert len(garbage.unused_versions(connection, [document_id])) == 1


def test_a_document_renamed_again_stays_due_for_labels(connection: Connection) -> None:
    document_id = live(connection, "/a")
    moves.rename(connection, {document_id: "/b"})
    (row,) = moves.waiting_for_labels(connection)
    moves.rename(connection, {document_id: "/c"})
    moves.mark_labelled(connection, {document_id: row.moved_at})
    assert [row.source for row in moves.waiting_for_labels(connection)] == ["/c"]


def test_a_content_that_was_never_searchable_is_not_revived(connection: Connection) -> None:
    document_id = live(connection, "/a")
    take(connection, "/a", "x")
    deletion.tombstone(connection, [document_id], LATER)
    assert deletion.revive(connection, {document_id: ("/a", "x" * 64)}) == set()
    assert deletion.revive(connection, {document_id: ("/a", "a" * 64)}) == {document_id}


def tagged(connection: Connection, source: str, tags: Tags | None, content: str = "a") -> Recorded:
    job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0).id
    return records.record(connection, job, "recipe", FileRecord(source, content * 64, 100, 1.0, {}, tags))


def tags_of(connection: Connection, document_id: str) -> list[str]:
    return tagging.tags_of(connection, [document_id])[document_id]


def test_given_tags_replace_and_absent_tags_keep_the_old_ones(connection: Connection) -> None:
    document_id = live(connection, "/a")
    assert tags_of(connection, document_id) == []
    for given_tags, content, outcome, expected in (
        (("x", "y"), "a", "unchanged", ["x", "y"]),
        (None, "a", "unchanged", ["x", "y"]),
        (None, "b", "new", ["x", "y"]),
        (("z",), "b", "joined", ["z"]),
        ((), "b", "joined", []),
    ):
        assert tagged(connection, "/a", given_tags, content).outcome == outcome
        assert tags_of(connection, document_id) == expected


def test_only_changed_tags_are_due_for_labels(connection: Connection) -> None:
    document_id = live(connection, "/a")
    tagged(connection, "/a", ())
    tagged(connection, "/a", None)
    assert moves.waiting_for_labels(connection) == []
    tagged(connection, "/a", ("x",))
    (row,) = moves.waiting_for_labels(connection)
    assert (row.id, row.tags) == (document_id, ["x"])
    moves.mark_labelled(connection, {document_id: row.moved_at})
    tagged(connection, "/a", ("x",))
    assert moves.waiting_for_labels(connection) == []


def test_a_new_document_is_processed_with_its_tags_and_not_due_for_labels(
    connection: Connection,
) -> None:
    live(connection, "/other")
    recorded = tagged(connection, "/a", ("x", "y"))
    batch = batches.create(connection, "job", 5, [str(recorded.attempt_id)], active=True)
    (carried,) = batch_documents.running(connection, batch)
    assert (moves.waiting_for_labels(connection), carried.tags) == ([], ["x", "y"])


def test_tags_changed_during_an_attempt_are_due_again_at_its_end(connection: Connection) -> None:
    document_id = live(connection, "/a")
    running = take(connection, "/a", "b")
    tagged(connection, "/a", ("x",), "b")
    (row,) = moves.waiting_for_labels(connection)
    moves.mark_labelled(connection, {document_id: row.moved_at})
    assert moves.waiting_for_labels(connection) == []
    attempts.complete(connection, [str(running.attempt_id)])
    (row,) = moves.waiting_for_labels(connection)
    moves.mark_labelled(connection, {document_id: row.moved_at})
    assert moves.waiting_for_labels(connection) == []
    assert connection.scalar(sa.select(table.c.moved_at).where(table.c.id == document_id)) is None


def test_a_deleted_document_forgets_its_tags_unless_it_may_be_revived(connection: Connection) -> None:
    first, second = live(connection, "/a"), live(connection, "/b", "b")
    tagged(connection, "/a", ("x",))
    tagged(connection, "/b", ("y",), "b")
    deletion.tombstone(connection, [first])
    deletion.tombstone(connection, [second], 1e12)
    assert deletion.revive(connection, {second: ("/b", "b" * 64)}) == {second}
    assert (tags_of(connection, first), tags_of(connection, second)) == ([], ["y"])
    deletion.tombstone(connection, [second], 1.0)
    deletion.end_undo(connection, [second])
    assert tags_of(connection, second) == []


def test_tags_of_a_refused_file_are_kept_for_its_retry(connection: Connection) -> None:
    take(connection, "/other")
    job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0).id
    document_id = records.reject(
        connection, job, "/a", 0, Failure("intake", Problem("not_a_file", "It is a pipe.", "Leave it."))
    )
    tagging.set_tags(connection, document_id, ("x",))
    assert tagged(connection, "/a", None).document_id == document_id
    assert tags_of(connection, document_id) == ["x"]
