"""Quarantine: a file that ended too many attempts is left alone, until it changes, is forced, or succeeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.database.schema import attempts as table
from pipeline.catalog.documents.records import set_current_attempt
from pipeline.catalog.documents.versions import add_attempt
from pipeline.catalog.work import attempts
from pipeline.catalog.work.failures import Failure
from pipeline.dead_letters.query import FailureQuery
from pipeline.errors import Conflict
from pipeline.errors.problem import Problem
from pipeline.ingest.request import Request
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.uploads import Draft, submit_uploads
from pipeline.names import ACTIVE
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

POISON, CHANGED = b"It kills its reader.", b"It has been mended."
SOURCE = "upload://poison.txt"
CRASHED = Failure("extract", Problem("crashed", "The worker died.", "Save it again."))
TIMEOUT = Failure("ocr", Problem("timeout", "It took too long.", "Split it."))
DOWN = Failure("embed", Problem("unavailable", "Qdrant is down.", "Start it.", transient=True))
NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """A process that submits; neither Redis nor a worker runs."""
    settings = Settings(data_dir=tmp_path, embedding_model="hashing", redis_url=NO_REDIS, quarantine_after=3)
    services = Services(settings, owner=True)
    yield services
    if "store" in services.__dict__:
        services.store.close()
    services.catalog.dispose()


def submit(services: Services, content: bytes = POISON, source: str = SOURCE) -> str:
    """Submit a file; the job's id."""
    draft = Draft(services)
    draft.write(content)
    sent = submit_uploads(services, GroupWriter(services.catalog), Request(()), [draft.finish(source)], SubmitOptions())
    return str(sent["job_id"])


def end(services: Services, cause: Failure | None) -> int:
    """End the attempts that run, as completed or for this cause; how many there were."""
    with writing(services.catalog) as connection:
        ids = connection.scalars(sa.select(table.c.id).where(table.c.state.in_(ACTIVE))).all()
        if cause is None:
            attempts.complete(connection, ids)
        else:
            attempts.fail(connection, dict.fromkeys(ids, cause))
    return len(ids)


def test_after_so_many_fatal_attempts_a_file_is_left_alone(services: Services) -> None:
    manager = TaskManager(services)
    submit(services)
    assert end(services, CRASHED) == 1
    # By a retry, by another submission: what counts is the content.
    manager.retry([SOURCE])
    assert end(services, TIMEOUT) == 1
    (record,) = manager.failures()
    assert (record.code, record.fatal_attempts, record.quarantined) == ("timeout", 2, False)
    submit(services)
    assert end(services, CRASHED) == 1
    (record,) = manager.failures()
    assert (record.code, record.fatal_attempts, record.quarantined) == ("crashed", 3, True)

    again = submit(services)
    assert end(services, CRASHED) == 0
    (left,) = manager.failed_in(again)
    assert (left["source"], left["code"]) == (SOURCE, "quarantined")
    assert "after 3 attempts, the last of which failed as crashed" in left["message"]
    assert f"docrelay failures retry {record.document_id} --force" in left["hint"]
    assert manager.job(again).state == "failed"
    # The letter keeps its own code, and is found as one in quarantine.
    assert manager.failures() == [record]
    assert manager.list_failures(FailureQuery(quarantined=True)).total == 1
    assert [count.quarantined for count in manager.list_failures(FailureQuery()).counts] == [1]


def poison(services: Services) -> str:
    """Bring the poison into quarantine; the document's id."""
    for _ in range(3):
        submit(services)
        assert end(services, CRASHED) == 1
    (record,) = TaskManager(services).failures()
    assert record.quarantined
    return record.document_id


def test_a_bulk_retry_leaves_it_alone_and_force_tries_it_once(services: Services) -> None:
    manager, document_id = TaskManager(services), poison(services)
    submit(services, b"Good.", "upload://good.txt")
    assert end(services, DOWN) == 1
    report = manager.retry_failures(FailureQuery())
    assert (report.documents, report.quarantined, len(report.jobs)) == (1, 1, 1)
    assert end(services, DOWN) == 1
    with pytest.raises(Conflict, match="in quarantine") as raised:
        manager.retry([document_id])
    assert f"{document_id} --force" in raised.value.hint
    forced = manager.retry_failures(FailureQuery(), [document_id], force=True)
    assert (forced.documents, forced.quarantined) == (1, 0)
    assert end(services, CRASHED) == 1
    submit(services)
    assert end(services, CRASHED) == 0


def test_a_changed_file_is_tried_as_always(services: Services) -> None:
    poison(services)
    submit(services, CHANGED)
    assert end(services, CRASHED) == 1
    (record,) = TaskManager(services).failures()
    assert (record.fatal_attempts, record.quarantined) == (1, False)


def test_a_success_begins_the_count_anew(services: Services) -> None:
    document_id = poison(services)
    TaskManager(services).retry_failures(FailureQuery(), [document_id], force=True)
    assert end(services, None) == 1
    assert TaskManager(services).failures() == []
    with writing(services.catalog) as connection:
        # As if the document were read again, by a re-index for example, and killed its worker.
        done = connection.execute(sa.select(table).order_by(table.c.number.desc()).limit(1)).one()
        again = add_attempt(
            connection, done.job_id, document_id, done.version_id, number=done.number + 1, size=done.size, batch_id=None
        )
        set_current_attempt(connection, document_id, again)
    assert end(services, CRASHED) == 1
    assert [record.fatal_attempts for record in TaskManager(services).failures()] == [1]


def test_other_failures_do_not_count(services: Services) -> None:
    for _ in range(4):
        submit(services)
        assert end(services, DOWN) == 1
    (record,) = TaskManager(services).failures()
    assert (record.fatal_attempts, record.quarantined) == (0, False)


def test_content_counts_wherever_it_comes_from(services: Services) -> None:
    for number in range(3):
        submit(services, source=f"upload://{number}.txt")
        assert end(services, CRASHED) == 1
    by_source = {record.source: record.fatal_attempts for record in TaskManager(services).failures()}
    assert by_source == {f"upload://{number}.txt": number + 1 for number in range(3)}


def test_quarantine_can_be_switched_off(services: Services) -> None:
    poison(services)
    lenient = Services(services.settings.model_copy(update={"quarantine_after": 0}))
    submit(lenient)
    assert end(lenient, CRASHED) == 1
    (record,) = TaskManager(lenient).failures()
    assert (record.fatal_attempts, record.quarantined) == (4, False)
    lenient.catalog.dispose()
