"""Entries that fail: reported after the last try, over with the next run that is done, and when each was last done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import notices
from pipeline.catalog.work import scheduled_runs
from pipeline.metrics.schedule import last_ends
from pipeline.schedule.decision import TRIES
from pipeline.schedule.entries import Entry, switched_off
from pipeline.schedule.failure_notice import end_trouble_of_switched_off
from pipeline.schedule.runner import claim, perform
from pipeline.services import Services
from pipeline.settings import Settings

FAULTS: list[str] = []
ENTRY = Entry("clean_up", "clean up", "schedule_clean_up", f"{__name__}:clean_up")


def clean_up(_services: Services) -> dict[str, Any] | None:
    """The work of the entry: it fails while there is a fault."""
    if FAULTS:
        raise OSError(FAULTS[0])
    return None


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    FAULTS.clear()
    opened = Services(Settings(data_dir=tmp_path))
    with writing(opened.catalog) as connection:
        scheduled_runs.add(connection, ENTRY.name, 1000.0)
    yield opened
    opened.catalog.dispose()


def run(services: Services, tries: int) -> None:
    with writing(services.catalog) as connection:
        seen = scheduled_runs.find(connection, ENTRY.name)
        assert seen is not None
        begun = scheduled_runs.begin(connection, seen, "worker/1-1", seen.due_at + 60, tries)
        assert begun is not None
    perform(services, ENTRY, begun)


def noted(services: Services) -> list[tuple[str, str, str, bool]]:
    with services.catalog.connect() as connection:
        rows = connection.execute(notices.select().order_by(notices.c.at)).all()
    return [(row.event, row.subject, row.severity, row.cleared) for row in rows]


def last_end(services: Services) -> scheduled_runs.LastEnd:
    with services.catalog.connect() as connection:
        return scheduled_runs.last_ends(connection)[ENTRY.name]


def test_an_entry_is_reported_after_its_last_try_and_once_until_it_is_done(services: Services) -> None:
    begun, over = ("schedule.failed", "clean_up", "warning", False), ("schedule.failed", "clean_up", "warning", True)
    run(services, 1)
    done = last_end(services)
    assert done.ended_at == done.done_at > 0
    FAULTS.append("the disk is full")
    for tries in range(1, TRIES):
        run(services, tries)
        assert noted(services) == []
    for _ in range(2):  # this night, and the next one
        run(services, TRIES)
        assert noted(services) == [begun]
    failed = last_end(services)
    assert failed.done_at == done.done_at < failed.ended_at
    FAULTS.clear()
    run(services, 1)
    run(services, 1)
    assert noted(services) == [begun, over]
    assert last_end(services).done_at == last_end(services).ended_at


def test_a_run_that_was_lost_is_reported(services: Services) -> None:
    with writing(services.catalog) as connection:
        seen = scheduled_runs.find(connection, ENTRY.name)
        assert seen is not None
        begun = scheduled_runs.begin(connection, seen, "worker/1-1", 1e11, TRIES)
        assert begun is not None
    assert claim(services, ENTRY, begun, "other/1-1", lives=False) is None
    assert noted(services) == [("schedule.failed", "clean_up", "warning", False)]
    assert last_end(services).done_at == 0.0


def test_the_trouble_of_an_entry_ends_when_it_is_switched_off(services: Services) -> None:
    begun, over = ("schedule.failed", "clean_up", "warning", False), ("schedule.failed", "clean_up", "warning", True)
    FAULTS.append("the disk is full")
    run(services, TRIES)
    end_trouble_of_switched_off(services)
    assert noted(services) == [begun]
    assert [samples(services)[name] for name in TIMES] == [{"clean_up"}, {"clean_up"}]
    services.__dict__["settings"] = services.settings.model_copy(update={"schedule_clean_up": ""})
    for _ in range(2):
        end_trouble_of_switched_off(services)
        assert noted(services) == [begun, over]
    assert [samples(services)[name] for name in TIMES] == [set(), set()]
    run(services, TRIES)  # of which who asked for it sees the error
    assert noted(services) == [begun, over]


TIMES = ("docrelay_schedule_last_run_timestamp_seconds", "docrelay_schedule_last_success_timestamp_seconds")


def samples(services: Services) -> dict[str, set[str]]:
    """The entries that each metric is about."""
    with services.catalog.connect() as connection:
        found = scheduled_runs.last_ends(connection)
    families = last_ends(found, switched_off(services.settings))
    return {family.name: {sample.labels["entry"] for sample in family.samples} for family in families}
