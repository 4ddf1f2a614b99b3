"""A backup is restored into another form: from a data folder to PostgreSQL and a Qdrant server, and back."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
import sqlalchemy as sa
import stores
from backup_rig import Deployment, embedded
from flow_tools import eventually
from postgres_server import Postgres
from search_rig import redis_server

from pipeline.backup import back_up, restore
from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.copying import copy_out, fill, one_moment, up_to_date
from pipeline.catalog.database.schema import attempt_errors, events, failures, jobs, metadata, tasks
from pipeline.catalog.work import events as job_events
from pipeline.engine.heartbeat import start_heartbeat
from pipeline.errors import Conflict
from pipeline.settings import Settings
from pipeline.vectorstore import Filter, Point

pytest_plugins = ("postgres_fixture",)
stand_in = stores.stand_in


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    url = sqlite_url(tmp_path / "from") if request.param == "sqlite" else request.getfixturevalue("postgres").create()
    engine = open_catalog(url)
    yield engine
    engine.dispose()


def written(engine: sa.Engine) -> None:
    """Rows with all that differs between databases: JSON null and NULL, booleans, large numbers, any letters."""
    with writing(engine) as connection:
        row = {
            "id": "j1",
            "collection": "c",
            "workflow": "ingest",
            "priority": 5,
            "request_id": "r",
            "samples": [[1, 2.5]],
        }
        row |= {"created_at": 1.25, "intake_done": True, "bytes_expected": 1 << 40, "fraction": 0.1, "confined": False}
        connection.execute(jobs.insert(), {**row, "plan": {"words": ["ä", "\u2028", "𝕏"], "none": None}, "paths": None})
        task = {
            "id": "t1",
            "batch_id": "b",
            "stage": "ocr",
            "part": 0,
            "state": "due",
            "starts": 0,
            "published_at": 1.0,
        }
        connection.execute(tasks.insert(), [{**task, "detail": None}, {**task, "id": "t2", "detail": {"a": [1]}}])
        connection.execute(tasks.insert().values({**task, "id": "t3", "detail": sa.null()}))
        failure = {"id": "f", "job_id": "j1", "document_id": "d", "collection": "c", "source": "/é", "stage": "ocr"}
        failure |= {"code": "corrupt", "message": "a\nb", "hint": "", "transient": False, "created_at": 2.0}
        connection.execute(failures.insert(), failure)
        connection.execute(attempt_errors.insert(), [error_of(number) for number in range(3)])
        for number in range(3):
            job_events.add(connection, "document.completed", [("j1", f"d{number}")], {"n": number})


def error_of(number: int) -> dict[str, Any]:
    """A row of `attempt_errors`; the database gives its id."""
    place: dict[str, Any] = {"document_id": "d", "job_id": "j1", "at": float(number), "kind": "retried", "stage": "ocr"}
    return {**place, "code": "corrupt", "message": "m", "hint": "", "transient": False}


def contents(engine: sa.Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, JSON as text."""
    found = {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            columns = [sa.cast(c, sa.Text) if isinstance(c.type, sa.JSON) else c for c in table.columns]
            found[table.name] = sorted(map(tuple, connection.execute(sa.select(*columns))), key=repr)
    return found


def test_every_row_comes_back_whatever_database_it_goes_to(
    catalog: sa.Engine, tmp_path: Path, postgres: Postgres
) -> None:
    written(catalog)
    before = contents(catalog)
    with one_moment(catalog) as reader:
        with writing(catalog) as connection:
            connection.execute(jobs.delete())  # after the moment
        copy_out(reader, tmp_path / "copy.db")
    assert [path.name for path in tmp_path.glob("copy.db*")] == ["copy.db"]

    for url in (sqlite_url(tmp_path / "to"), postgres.create()):
        target = open_catalog(url)
        with up_to_date(tmp_path / "copy.db") as source, writing(target) as connection:
            fill(connection, source)
        assert contents(target) == before
        with writing(target) as connection:
            job_events.add(connection, "job.finished", [("j1", None)])
            connection.execute(attempt_errors.insert(), error_of(3))
        with target.connect() as connection:
            newest = connection.scalar(sa.select(sa.func.max(events.c.id))) or 0
        assert newest > max(row[0] for row in before["events"]), "an id that was given is not given again"
        target.dispose()


def test_from_a_data_folder_to_servers_and_back(tmp_path: Path, postgres: Postgres, stand_in: str) -> None:
    collection = f"c{uuid4().hex[:8]}"
    here = embedded(tmp_path / "here")
    for number in range(12):
        here.put(
            f"/docs/{number}.txt",
            *(f"part {part} of {number}" for part in range(number % 4 + 1)),
            collection=collection,
        )
    here.put("/docs/3.txt", "replaced", collection=collection)
    here.delete("/docs/4.txt", collection)
    here.begin("/docs/half.txt", collection)
    before, points = here.seen(collection), here.points(f"{collection}~1")
    back_up(here.services, tmp_path / "first")
    here.close()

    servers = Settings(
        data_dir=tmp_path / "host",
        embedding_model="hashing",
        database_url=postgres.create(),
        qdrant_url=stand_in,
        spool_url=f"file://{tmp_path}/shared",
    )
    restore(servers, tmp_path / "first")
    middle = Deployment(servers)
    assert middle.seen(collection) == before
    assert_same(middle.points(f"{collection}~1"), points)
    assert middle.services.store.aliases()[collection] == f"{collection}~1"
    middle.put("/docs/5.txt", "written on the servers", collection=collection)
    after = middle.seen(collection)
    report = back_up(middle.services, tmp_path / "second")
    last = middle.points(f"{collection}~1")
    middle.close()

    again = Settings(data_dir=tmp_path / "again", embedding_model="hashing")
    restore(again, tmp_path / "second")
    back = Deployment(again)
    assert back.seen(collection) == after
    assert_same(back.points(f"{collection}~1"), last)
    assert (report.documents, report.unfinished_jobs) == (11, 1)
    back.close()

    with pytest.raises(Conflict, match="the table"):
        restore(servers, tmp_path / "first")
    other = servers.model_copy(update={"database_url": postgres.create(), "spool_url": f"file://{tmp_path}/other"})
    with pytest.raises(Conflict, match=f"the index {collection}~1"):
        restore(other, tmp_path / "first")


def assert_same(found: list[Point], expected: list[Point]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.id, one.payload, one.sparse.indices) == (other.id, other.payload, other.sparse.indices)
        assert one.sparse.values == pytest.approx(other.sparse.values, rel=1e-6)
        # The stand-in's engine divides every vector by its length once more.
        assert one.dense == pytest.approx(other.dense, abs=1e-6)


def test_a_writer_on_postgresql_waits_for_the_moment_and_is_not_in_it(
    tmp_path: Path, postgres: Postgres, stand_in: str
) -> None:
    """Another process replaces documents without a pause while the backup runs."""
    collection = f"c{uuid4().hex[:8]}"
    settings = Settings(
        data_dir=tmp_path / "host", embedding_model="hashing", database_url=postgres.create(), qdrant_url=stand_in
    )
    here = Deployment(settings)
    for number in range(6):
        here.put(f"/docs/{number}.txt", f"{number} begins", collection=collection)
    ended, writer = threading.Event(), Deployment(settings)
    rounds: list[int] = []

    def write() -> None:
        while not ended.is_set():
            number = len(rounds)
            writer.put(f"/docs/{number % 6}.txt", f"round {number}", f"second part {number}", collection=collection)
            rounds.append(number)

    def wait_for_writer(_line: str) -> None:
        before = len(rounds)
        assert eventually(lambda: len(rounds) > before + 2)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        report = back_up(here.services, tmp_path / "backup", wait_for_writer)
    finally:
        ended.set()
        thread.join()
    here.close()
    writer.close()

    restore(Settings(data_dir=tmp_path / "there", embedding_model="hashing"), tmp_path / "backup")
    there = Deployment(Settings(data_dir=tmp_path / "there", embedding_model="hashing"))
    seen = there.seen(collection)
    there.close()
    assert report.missing_points == 0
    assert len(seen) == report.documents == 6
    # One moment: of six documents written in turn, the versions are of consecutive rounds.
    numbers = sorted(int(document.chunks[0].split()[1]) for document in seen.values() if len(document.chunks) == 2)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_workers_on_the_target_are_in_the_way(tmp_path: Path) -> None:
    here = embedded(tmp_path / "here")
    here.put("/docs/a.txt", "words")
    back_up(here.services, tmp_path / "backup")
    here.close()
    with redis_server() as url:
        there = Settings(data_dir=tmp_path / "there", redis_url=url, embedding_model="hashing")
        with redis.Redis.from_url(url) as client:
            sign_off = start_heartbeat(client, "extract@1", 1.0, 60.0)
            with pytest.raises(Conflict, match="Workers are running"):
                restore(there, tmp_path / "backup")
            sign_off()
        assert restore(there, tmp_path / "backup").documents == 1


def test_the_points_of_a_backup_can_be_read_by_other_programs(tmp_path: Path) -> None:
    """As docs/backup.md says: a JSON document a line."""
    here = embedded(tmp_path / "here")
    here.put("/docs/a.txt", "words of a", "and more")
    back_up(here.services, tmp_path / "backup")
    (path,) = (tmp_path / "backup" / "points" / "documents~1").iterdir()
    with gzip.open(path, "rt") as file:
        lines = [json.loads(line) for line in file]

    assert [line["id"] for line in lines] == sorted(here.services.store.ids("documents~1", Filter()))
    assert {line["payload"]["text"] for line in lines} == {"words of a", "and more"}
    here.close()
