"""Renaming, deleting with a way back, reviving: what the catalog does with rows while the points stay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from embeddings.base import Fingerprint
from pipeline.catalog import attempts, collections, documents, jobs, ledger, leftovers, moves
from pipeline.catalog.documents import Found, Recorded
from pipeline.catalog.engine import open_catalog, sqlite_url
from pipeline.catalog.schema import documents as table
from pipeline.catalog.schema import versions
from pipeline.recipes import making_of
from pipeline.settings import Settings

MAKING = making_of(Settings())
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
    job = jobs.create(connection, "documents", "ingest", 5, "request", 0)
    return documents.record(connection, job, "recipe", Found(source, content * 64, 100, 1.0))


def live(connection: Connection, source: str, content: str = "a") -> str:
    """A document that readers see."""
    recorded = take(connection, source, content)
    if recorded.attempt_id is not None:
        batch = ledger.create_batch(connection, "job", 5, [recorded.attempt_id], active=True)
        (one,) = attempts.carried(connection, batch)
        documents.describe_version(connection, one.version_id, {"title": Path(source).name})
        documents.switch(connection, {one.document_id: one.version_id})
        attempts.complete(connection, [one.attempt_id])
    return recorded.document_id


def places(connection: Connection) -> dict[str, str]:
    """Source of every document that is not deleted: {document id: source}."""
    rows = connection.execute(sa.select(table.c.id, table.c.source).where(table.c.deleted_at.is_(None)))
    return {row.id: row.source for row in rows}


def test_a_renamed_document_keeps_id_and_version(connection: Connection) -> None:
    one = live(connection, "/a.txt")
    version = documents.live_versions(connection, [one])

    assert moves.rename(connection, {one: "/b.txt"}) == {one}

    assert documents.live_versions(connection, [one]) == version
    assert documents.sources(connection, [one]) == {one: "/b.txt"}
    assert connection.scalar(sa.select(versions.c.title)) == "b.txt"
    assert take(connection, "/b.txt").outcome == "unchanged"


def test_a_title_of_its_own_stays(connection: Connection) -> None:
    one = live(connection, "/a.txt")
    connection.execute(versions.update().values(title="On boats"))
    moves.rename(connection, {one: "/b.txt"})
    assert connection.scalar(sa.select(versions.c.title)) == "On boats"


def test_names_go_round_in_a_circle(connection: Connection) -> None:
    one, two, three = (live(connection, f"/{name}", name) for name in "abc")
    assert moves.rename(connection, {one: "/b", two: "/c", three: "/a"}) == {one, two, three}
    assert places(connection) == {one: "/b", two: "/c", three: "/a"}


def test_the_old_name_is_free_for_another_document(connection: Connection) -> None:
    one = live(connection, "/a")
    moves.rename(connection, {one: "/b"})
    other = live(connection, "/a", "x")
    assert other != one
    assert places(connection) == {one: "/b", other: "/a"}
    assert live(connection, "/a", "y") == other


def test_a_name_that_another_keeps_is_not_given(connection: Connection) -> None:
    one, two, three = (live(connection, f"/{name}", name) for name in "abc")
    assert moves.rename(connection, {one: "/b", three: "/a"}) == set()
    documents.tombstone(connection, [two], LATER)
    assert moves.rename(connection, {one: "/b", three: "/a"}) == {one, three}
    assert places(connection) == {one: "/b", three: "/a"}


def test_what_is_being_worked_on_keeps_its_name(connection: Connection) -> None:
    running = take(connection, "/a").document_id
    assert moves.rename(connection, {running: "/b"}) == set()


def test_a_deleted_document_is_revived_under_its_new_name(connection: Connection) -> None:
    one = live(connection, "/a")
    documents.tombstone(connection, [one], LATER)
    assert places(connection) == {}
    assert leftovers.unseen_versions(connection, [one]) == []
    assert leftovers.neglected(connection, LATER, 10) == []

    assert moves.revive(connection, {one: ("/b", "a" * 64)}) == {one}

    assert places(connection) == {one: "/b"}
    assert take(connection, "/b").outcome == "unchanged"
    (row,) = moves.to_label(connection)
    assert (row.id, row.source) == (one, "/b")
    moves.labelled(connection, {one: row.moved_at})
    assert moves.to_label(connection) == []


def test_what_was_deleted_for_good_is_not_revived(connection: Connection) -> None:
    one, two = live(connection, "/a"), live(connection, "/b", "b")
    documents.tombstone(connection, [one])
    documents.tombstone(connection, [two], time.time() - 1)
    assert moves.revive(connection, {one: ("/a", "a" * 64), two: ("/b", "b" * 64)}) == set()
    assert len(leftovers.unseen_versions(connection, [one, two])) == 2
    assert moves.expired(connection, 10) == [two]
    moves.forget_undo(connection, [two])
    assert moves.expired(connection, 10) == []


def test_a_file_that_comes_back_with_other_content_ends_the_way_back(connection: Connection) -> None:
    one = live(connection, "/a")
    documents.tombstone(connection, [one], LATER)
    assert live(connection, "/a", "x") == one
    assert moves.revive(connection, {one: ("/a", "a" * 64)}) == set()
    assert len(leftovers.unseen_versions(connection, [one])) == 1


def test_a_label_that_is_outdated_again_stays_due(connection: Connection) -> None:
    one = live(connection, "/a")
    moves.rename(connection, {one: "/b"})
    (row,) = moves.to_label(connection)
    moves.rename(connection, {one: "/c"})
    moves.labelled(connection, {one: row.moved_at})
    assert [row.source for row in moves.to_label(connection)] == ["/c"]


def test_a_content_that_nobody_saw_yet_is_not_revived(connection: Connection) -> None:
    one = live(connection, "/a")
    take(connection, "/a", "x")
    documents.tombstone(connection, [one], LATER)
    assert moves.revive(connection, {one: ("/a", "x" * 64)}) == set()
    assert moves.revive(connection, {one: ("/a", "a" * 64)}) == {one}
