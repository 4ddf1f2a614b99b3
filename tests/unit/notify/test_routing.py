"""Rules: which notices go to whom, what is gathered into one delivery, and that each notice is routed once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import (
    counters,
    deliveries,
    delivery_notices,
    failures,
    hooks,
    notices,
    submissions,
)
from pipeline.catalog.work import due_deliveries, jobs, new_failures
from pipeline.catalog.work import notices as recorded
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.notices import Notice
from pipeline.notify.messages import WORDS, body_of
from pipeline.notify.routing import route
from pipeline.services import Services
from pipeline.settings import Settings

MAIL = {"smtp_url": "smtp://mail.example.org", "smtp_from": "docrelay@example.org"}
FACTS: dict[str, dict[str, Any]] = {
    "job.finished": {
        "state": "failed", "documents": 3, "completed": 2, "failed": 1, "collection": "documents", "seconds": 4.2
    },
    "documents.failed": {
        "documents": 2,
        "codes": {"encrypted": 2},
        "examples": [{"source": "/a.pdf", "code": "encrypted", "message": "It is encrypted.", "collection": "c"}],
    },
    "worker.dead": {"title": "Worker embed-1 is dead", "message": "Start it again."},
    "disk.low": {"host": "a", "path": "/data", "free_mb": 200, "wanted_mb": 1024, "needed_mb": 256, "setting": "x"},
    "watch.held": {"files": 40, "reason": "many_gone", "message": "40 files are missing."},
    "verify.drift": {"collections": [{"collection": "documents", "points": 3, "expected": 5}]},
    "backup.failed": {"folder": "/backup", "message": "The disk is full."},
    "schedule.failed": {"message": "The disk is full.", "tries": 3},
    "test": {"rule": "ops"},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def services_of(folder: Path, *rules: dict[str, Any]) -> Services:
    named = [{"name": f"rule-{number}", "to": ["mailto:ops@example.org"], **rule} for number, rule in enumerate(rules)]
    return Services(Settings(data_dir=folder, notify=named, **MAIL))


def record(services: Services, event: str, severity: str = "warning", *, cleared: bool = False) -> None:
    with writing(services.catalog) as connection:
        recorded.add(connection, event, "subject", severity, FACTS[event], cleared=cleared)


def routed(services: Services) -> list[tuple[str, str, list[str], bool]]:
    """Of each delivery: rule, address, events, whether it is held."""
    route(services)
    with services.catalog.connect() as connection:
        rows = connection.execute(
            sa.select(deliveries, hooks.c.rule, hooks.c.url)
            .join(hooks, hooks.c.id == deliveries.c.hook_id)
            .order_by(hooks.c.rule, hooks.c.url, deliveries.c.due_at)
        ).all()
        return [
            (
                row.rule,
                row.url,
                [item.event for item in recorded.of_delivery(connection, row.id)],
                row.due_at > time.time(),
            )
            for row in rows
        ]


def test_a_notice_goes_to_every_address_of_every_rule_that_names_its_event(folder: Path) -> None:
    services = services_of(
        folder,
        {"events": ["disk.low"], "to": ["mailto:a@example.org", "slack+https://hooks.example.org/x"]},
        {"events": ["backup.failed", "disk.low"]},
        {"events": ["watch.held"]},
    )
    record(services, "disk.low")

    assert routed(services) == [
        ("rule-0", "mailto:a@example.org", ["disk.low"], False),
        ("rule-0", "slack+https://hooks.example.org/x", ["disk.low"], False),
        ("rule-1", "mailto:ops@example.org", ["disk.low"], False),
    ]
    assert route(services) == 0


@pytest.mark.parametrize(("failed", "reported"), [(0, ["rule-0"]), (1, ["rule-0", "rule-1"])])
def test_a_rule_may_ask_for_jobs_with_failures_alone(folder: Path, failed: int, reported: list[str]) -> None:
    services = services_of(
        folder, {"events": ["job.finished"]}, {"events": ["job.finished"], "minimum_severity": "warning"}
    )
    with writing(services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0, closed=True)
        if failed:
            fail_a_document(connection, job.id)
        jobs.finish_if_complete(connection, job.id)

    assert [rule for rule, *_ in routed(services)] == reported
    with services.catalog.connect() as connection:
        row = connection.execute(sa.select(notices)).one()
    assert (row.subject, row.severity) == (job.id, "warning" if failed else "info")
    assert (row.facts["failed"], row.facts["collection"]) == (failed, "documents")


def fail_a_document(connection: Any, job_id: str) -> None:
    """The outcome of a document of a job: failed."""
    row = {"job_id": job_id, "document_id": "d", "outcome": "failed", "source": "/a", "size": 1}
    connection.execute(submissions.insert().values(row))


def test_a_digest_window_gathers_what_is_no_error(folder: Path) -> None:
    services = services_of(folder, {"events": ["disk.low", "watch.held", "documents.failed"], "digest_s": 3600})
    record(services, "watch.held")
    record(services, "documents.failed")
    assert [held for *_, held in routed(services)] == [True]
    record(services, "disk.low", "error")
    record(services, "disk.low", "error", cleared=True)

    assert routed(services) == [
        ("rule-0", "mailto:ops@example.org", ["disk.low"], False),
        ("rule-0", "mailto:ops@example.org", ["watch.held", "documents.failed", "disk.low"], True),
    ]


def test_a_delivery_that_was_claimed_takes_no_further_notice(folder: Path) -> None:
    services = services_of(folder, {"events": ["watch.held"], "digest_s": 3600})
    record(services, "watch.held")
    routed(services)
    with writing(services.catalog) as connection:
        connection.execute(deliveries.update().values(due_at=time.time()))
        (due,) = due_deliveries.list_due(connection)
        assert len(due_deliveries.claim(connection, [due.id])) == 1
    record(services, "watch.held")

    assert [events for _, _, events, _ in routed(services)] == [["watch.held"], ["watch.held"]]


def test_two_processes_route_each_notice_once(folder: Path) -> None:
    rule = {"events": ["watch.held"], "digest_s": 600.0}
    pair = [services_of(folder, rule) for _ in range(2)]
    for _ in range(60):
        record(pair[0], "watch.held")
    begin = threading.Barrier(2)

    def work(services: Services) -> None:
        begin.wait()
        while route(services):
            pass

    threads = [threading.Thread(target=work, args=(services,)) for services in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with pair[0].catalog.connect() as connection:
        linked = list(connection.scalars(sa.select(delivery_notices.c.notice_id)))
        assert len(linked) == len(set(linked)) == 60
        assert connection.scalar(sa.select(sa.func.count()).select_from(deliveries)) == 1


def test_a_process_without_rules_leaves_notices_to_one_that_has_some(folder: Path) -> None:
    ruled, ruleless = services_of(folder, {"events": ["disk.low"]}), services_of(folder)
    record(ruleless, "watch.held")
    assert route(ruleless) == 1  # where no process has rules, notices do not pile up
    route(ruled)
    record(ruleless, "disk.low")

    assert route(ruleless) == 0
    assert routed(ruled) == [("rule-0", "mailto:ops@example.org", ["disk.low"], False)]

    with writing(ruled.catalog) as connection:
        connection.execute(counters.update().values(value=counters.c.value - 8 * 86400 * 1000))
    record(ruleless, "disk.low")
    assert route(ruleless) == 1  # the process that had rules is gone for good


@pytest.fixture
def failing(folder: Path) -> Iterator[Services]:
    services = services_of(folder)
    with writing(services.catalog) as connection:
        assert new_failures.record(connection, new_failures.find(connection, 1000.0))
    yield services
    services.catalog.dispose()


def fail(services: Services, number: int, code: str, at: float) -> None:
    row = {"job_id": "j", "document_id": "d", "collection": "c", "stage": "extract", "code": code, "hint": ""}
    with writing(services.catalog) as connection:
        for index in range(number):
            more = {"id": f"{code}-{at}-{index}", "source": f"/{index}", "message": "No.", "transient": False}
            connection.execute(failures.insert().values(**row, **more, created_at=at))


def test_each_failure_is_in_one_notice_with_its_code(failing: Services) -> None:
    fail(failing, 3, "encrypted", 1001.0)
    fail(failing, 1, "corrupt", 1002.5)
    fail(failing, 9, "empty", 1005.0)  # later than the look
    with failing.catalog.connect() as connection:
        found = new_failures.find(connection, 1003.0)
        again = new_failures.find(connection, 1003.0)
    with writing(failing.catalog) as connection:
        assert new_failures.record(connection, found)
        assert not new_failures.record(connection, again)  # of another process
    with failing.catalog.connect() as connection:
        later = new_failures.find(connection, 1010.0)
        facts = connection.scalar(sa.select(notices.c.facts))

    assert (facts["documents"], facts["codes"]) == (4, {"encrypted": 3, "corrupt": 1})
    assert [example["source"] for example in facts["examples"]] == ["/0", "/1", "/2", "/0"]
    assert later.codes == {"empty": 9}


def look_for_failures(services: Services, until: float) -> None:
    """What `look_loop` does with failures."""
    with services.catalog.connect() as connection:
        found = new_failures.find(connection, until)
    if found.is_news:
        with writing(services.catalog) as connection:
            new_failures.record(connection, found)


def test_failures_are_reported_after_the_clock_was_set_back(failing: Services) -> None:
    fail(failing, 1, "encrypted", 8000.0)
    look_for_failures(failing, 9000.0)
    look_for_failures(failing, 5000.0)  # an hour back
    fail(failing, 2, "corrupt", 5001.0)
    look_for_failures(failing, 5002.0)
    look_for_failures(failing, 5001.5)  # another host, whose clock is behind: nothing is reported twice
    look_for_failures(failing, 5003.0)

    with failing.catalog.connect() as connection:
        facts = list(connection.scalars(sa.select(notices.c.facts).order_by(notices.c.at)))
    assert [item["codes"] for item in facts] == [{"encrypted": 1}, {"corrupt": 2}]


NOTICES = st.lists(st.sampled_from(sorted(set(WORDS) - {"test"})), min_size=1, max_size=70)


@given(NOTICES)
def test_a_message_counts_all_and_has_words_for_every_event(events: list[str]) -> None:
    reported = [Notice(str(n), event, "s", "warning", False, 1e9 + n, FACTS[event]) for n, event in enumerate(events)]
    message = json.loads(body_of("delivery", "ops", 2e9, reported))

    failed = events.count("documents.failed")
    assert message["count"] == len(events) - max(failed - 1, 0)
    assert len(message["notices"]) == min(message["count"], 50)
    documents = sum(n["facts"]["documents"] for n in message["notices"] if n["event"] == "documents.failed")
    assert documents == 2 * failed
    assert message["title"]
    assert message["text"]
    assert all(listed["title"] in message["text"] for listed in message["notices"]) or message["count"] == 1


def test_a_digest_of_a_hundred_thousand_jobs_keeps_what_it_lists_alone() -> None:
    alive, most = 0, 0

    class Counted(dict[str, Any]):
        def __init__(self) -> None:
            nonlocal alive, most
            super().__init__(FACTS["job.finished"])
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    many = (Notice(str(n), "job.finished", f"job-{n}", "info", False, 1e9 + n, Counted()) for n in range(100_000))
    message = json.loads(body_of("delivery", "ops", 2e9, many))
    assert (message["count"], message["title"]) == (100_000, "100000 events: 100000 job.finished")
    assert [item["subject"] for item in message["notices"]] == [f"job-{n}" for n in range(50)]
    assert message["text"].endswith("... and 99950 more")
    assert most <= 60


def test_the_end_of_trouble_is_named_as_such() -> None:
    over = Notice("1", "disk.low", "/data", "error", cleared=True, at=1e9, facts=FACTS["disk.low"])
    message = json.loads(body_of("delivery", "ops", 2e9, [over]))
    assert message["title"] == "Over: Little room on the disk of /data on a"
    assert message["severity"] == "error"
