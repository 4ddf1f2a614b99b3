"""The outbox with very many deliveries to a host that does not answer: each poll reads a part, and all are reached."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import deliveries, hooks
from pipeline.catalog.work import due_deliveries
from pipeline.catalog.work.due_deliveries import PAGE, Delivery, Due
from pipeline.notify.backlog import Backlog
from pipeline.notify.slots import PER_HOST
from pipeline.services import Services
from pipeline.settings import Settings

DEAD = 3 * PAGE


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    opened = Services(Settings(data_dir=tmp_path))
    yield opened
    opened.catalog.dispose()


def add(services: Services, urls: list[str], due_at: float) -> None:
    """A hook and a delivery to each address, due one after another."""
    first = time.time_ns()
    with writing(services.catalog) as connection:
        of_hook = [{"id": f"h{first + n}", "url": url, "secret": "", "created_at": 1.0} for n, url in enumerate(urls)]
        connection.execute(hooks.insert(), of_hook)
        rows = [
            {"id": f"d{first + n}", "hook_id": f"h{first + n}", "job_id": "j", "state": "waiting", "tries": 0}
            | {"due_at": due_at + n / 1000, "created_at": 1.0}
            for n in range(len(urls))
        ]
        connection.execute(deliveries.insert(), rows)


def test_each_poll_reads_a_part_and_what_is_behind_a_dead_host_is_reached(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    list_due = due_deliveries.list_due

    def counted(*arguments: Any) -> Any:
        found = list_due(*arguments)
        reads.append(len(found))
        return found

    monkeypatch.setattr(due_deliveries, "list_due", counted)
    add(services, ["https://dead.example.org/"] * DEAD, 1000.0)
    add(services, ["https://well.example.org/"], 5000.0)
    backlog, sending = Backlog(services), list[Delivery]()
    while not any("well" in delivery.url for delivery in sending):
        sending += backlog.claim(sending)
        assert len(reads) <= DEAD / PAGE + 1
    assert sum("dead" in delivery.url for delivery in sending) == PER_HOST
    assert max(reads) <= PAGE

    # From the beginning again: a delivery that was due first is found.
    add(services, ["https://third.example.org/"], 1.0)
    for _ in range(2):
        sending += backlog.claim(sending)
    assert sending[-1].url == "https://third.example.org/"


def test_the_order_is_that_of_the_due_times_and_none_is_left_out(services: Services) -> None:
    add(services, [f"https://host-{number}.example.org/" for number in range(7)], 1000.0)
    with writing(services.catalog) as connection:
        states = sa.case((deliveries.c.due_at > 1000.0025, "sending"), else_="waiting")
        connection.execute(deliveries.update().values(state=states))
        connection.execute(deliveries.update().where(deliveries.c.due_at > 1000.0045).values(due_at=1000.0045))
    found: list[Due] = []
    after: Due | None = None
    with services.catalog.connect() as connection:
        while part := due_deliveries.list_due(connection, after, 2):
            assert len(part) <= 2
            found, after = [*found, *part], part[-1]
    assert len({due.id for due in found}) == 7
    assert [(due.due_at, due.id) for due in found] == sorted((due.due_at, due.id) for due in found)


def test_no_poll_sorts_all_that_is_due(services: Services) -> None:
    """An index has the order of the due times: of those that are due at the same time alone the ids are sorted."""
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        explained = cursor.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.extend(row[3] for row in explained.fetchall())

    sa.event.listen(services.catalog, "before_cursor_execute", explain)
    with services.catalog.connect() as connection:
        due_deliveries.list_due(connection)
        due_deliveries.list_due(connection, Due("d", "", 1000.0))
    assert plans
    assert "USE TEMP B-TREE FOR ORDER BY" not in plans  # one "for the right part", or the last term, sorts ids
