"""Ends of documents are counted from the catalog's events: each once, by any process, whatever Redis has lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from search_rig import redis_server

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import events
from pipeline.engine import tally as tallying
from pipeline.engine.metrics import DOCUMENT_DURATION, DOCUMENTS_ENDED, FAILURES
from pipeline.engine.tally import keep_tallied, tally
from pipeline.services import Services
from pipeline.settings import Settings


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server() as address:
        yield address


@pytest.fixture
def services(url: str, tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing", redis_url=url))
    services.redis.flushall()
    tally(services)
    yield services
    services.redis.close()
    services.catalog.dispose()


def end(services: Services, outcome: str, number: int = 1, code: str | None = None) -> None:
    with writing(services.catalog) as connection:
        about = [(str(uuid4()), str(uuid4())) for _ in range(number)]
        events.add(connection, f"document.{outcome}", about, {"code": code} if code else None)


def test_each_end_counts_once(services: Services) -> None:
    end(services, "completed", 3)
    end(services, "extracting", 3)
    end(services, "failed", 2, "empty")
    assert [tally(services), tally(services)] == [5, 0]
    end(services, "failed", 1, "encrypted")
    assert tally(services) == 1
    assert DOCUMENTS_ENDED.read(services.redis) == {("completed",): 3, ("failed",): 3}
    assert FAILURES.read(services.redis) == {("empty",): 2, ("encrypted",): 1}
    # Without an attempt there is no time.
    assert DOCUMENT_DURATION.read(services.redis) == {}


def test_more_ends_than_are_counted_at_once_are_counted_by_and_by(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallying, "MOST", 4)
    end(services, "completed", 10)
    assert [tally(services) for _ in range(4)] == [4, 4, 2, 0]
    assert DOCUMENTS_ENDED.read(services.redis) == {("completed",): 10}


def test_several_processes_count_an_end_once(services: Services) -> None:
    for _ in range(5):
        end(services, "completed", 7)
        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(lambda _: tally(services), range(12))) == 7
    assert DOCUMENTS_ENDED.read(services.redis) == {("completed",): 35}


def test_ends_while_redis_has_lost_its_data_are_counted(services: Services) -> None:
    end(services, "completed", 3)
    tally(services)
    keep_tallied(services)
    services.redis.flushall()
    end(services, "failed", 4, "empty")
    assert [tally(services), tally(services)] == [4, 0]
    assert DOCUMENTS_ENDED.read(services.redis) == {("failed",): 4}
    assert FAILURES.read(services.redis) == {("empty",): 4}


def test_after_a_loss_a_backlog_is_counted_by_and_by(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallying, "MOST", 4)
    keep_tallied(services)
    services.redis.flushall()
    end(services, "completed", 10)
    assert tally(services) == 4
    keep_tallied(services)
    services.redis.flushall()
    assert [tally(services) for _ in range(3)] == [4, 2, 0]


def test_after_redis_has_lost_its_data_counting_begins_at_0_with_what_ends_then(services: Services) -> None:
    end(services, "completed", 3)
    tally(services)
    keep_tallied(services)
    services.redis.flushall()
    assert tally(services) == 0
    end(services, "completed", 2)
    assert tally(services) == 2
    assert DOCUMENTS_ENDED.read(services.redis) == {("completed",): 2}


def test_a_catalog_that_was_restored_is_counted_on_from_its_own_newest_event(services: Services) -> None:
    services.redis.set(tallying.TALLIED, 1_000_000)
    end(services, "completed", 2)
    assert tally(services) == 0
    end(services, "completed", 1)
    assert tally(services) == 1
