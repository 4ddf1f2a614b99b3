"""The history of a failure: each attempt with its errors, bounded, kept while the failure is open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempt_errors as table
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import admission, attempt_errors, attempts, failure_list, jobs, ledger
from pipeline.catalog.work.failure_list import FailureFilter
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.ledger import Claim
from pipeline.errors import UnknownId
from pipeline.errors.problem import Problem
from pipeline.errors.trace import LONGEST, trace_of
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

DOWN = Failure("embed", Problem("unavailable", "Qdrant is down.", "Start it.", transient=True))
CORRUPT = Failure("extract", Problem("corrupt", "It is broken.", "Mend it."))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TaskManager]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"))
    yield TaskManager(services)
    services.catalog.dispose()


def begin(connection: Connection, source: str = "/srv/a.txt") -> tuple[str, str, str]:
    """Begin an attempt whose batch is admitted; ids of its document, its attempt and its batch."""
    from pipeline.catalog.work import batches

    job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0)
    taken = records.record(connection, job.id, "recipe", FileRecord(source, "ab" * 32, 10, 1.0))
    batches.create(connection, job.id, 5, [str(taken.attempt_id)])
    (batch,) = admission.admit(connection, 99, 99, "extract")
    return taken.document_id, str(taken.attempt_id), batch


def claim(connection: Connection, batch: str, stage: str, runner: str, part: int = 0) -> Claim:
    ledger.add_due(connection, [(batch, stage, part, {})])
    claimed = ledger.claim(connection, ledger.task_id(batch, stage, part), runner, ())
    assert claimed is not None
    return claimed


def test_each_attempt_has_its_errors_with_worker_part_and_trace(manager: TaskManager) -> None:
    try:
        raise ValueError("the secret of the document")
    except ValueError as error:
        trace = trace_of(error)
    with writing(manager._services.catalog) as connection:
        document, attempt, batch = begin(connection)
        held = claim(connection, batch, "embed", "node-1/77", part=3)
        attempt_errors.record_retry(connection, held, "node-1/77", DOWN)
        ledger.release(connection, held.task_id, "node-1/77")
        again = claim(connection, batch, "embed", "node-2/88", part=3)
        assert ledger.finish(connection, again.task_id, "node-2/88")
        attempts.fail(connection, {attempt: Failure("embed", DOWN.problem, trace=trace)})
        _, second, other = begin(connection)
        claim(connection, other, "extract", "node-3/99")
        attempts.fail(connection, {second: CORRUPT})
    history = manager.failure(document)
    assert (history.document_id, history.source) == (document, "/srv/a.txt")
    assert history.failure is not None
    assert (history.failure.code, history.failure.fatal_attempts) == ("corrupt", 0)
    first, last = history.attempts
    assert [(row.number, row.state, row.code) for row in history.attempts] == [
        (1, "failed", "unavailable"),
        (2, "failed", "corrupt"),
    ]
    assert [(error.kind, error.worker, error.part, error.transient) for error in first.errors] == [
        ("retried", "node-1/77", 3, True),
        ("failed", "node-2/88", 3, True),
    ]
    assert (first.errors[0].hint, first.errors[0].stage) == ("Start it.", "embed")
    assert all(error.started_at and error.at for error in first.errors)
    assert first.errors[1].trace_id == trace.id
    kept = first.errors[1].trace or ""
    assert "test_failure_history.py" in kept and kept.endswith("ValueError")  # noqa: PT018
    assert "secret of the document" not in kept.replace('raise ValueError("the secret of the document")', "")
    assert [(error.worker, error.part) for error in last.errors] == [("node-3/99", 0)]
    assert (first.ended_at, last.ended_at) != (None, None)


def test_a_document_is_found_by_the_beginning_of_its_id_and_by_its_source(manager: TaskManager) -> None:
    with writing(manager._services.catalog) as connection:
        document, attempt, _ = begin(connection)
        attempts.fail(connection, {attempt: CORRUPT})
        (job,) = jobs.newest(connection, 1)
    assert manager.failure(document[:8]).document_id == document
    assert manager.failure("/srv/a.txt").document_id == document
    for name in ("nothing", "/srv/b.txt", job):
        with pytest.raises(UnknownId):
            manager.failure(name)


def test_a_failure_of_the_version_before_has_no_errors_and_is_shown(manager: TaskManager) -> None:
    with writing(manager._services.catalog) as connection:
        document, attempt, _ = begin(connection)
        attempts.fail(connection, {attempt: CORRUPT})
        connection.execute(table.delete())
    (shown,) = manager.failure(document).attempts
    assert (shown.code, shown.message, shown.errors) == ("corrupt", "It is broken.", [])


def test_refusals_of_intake_are_kept_once_while_they_say_the_same(manager: TaskManager) -> None:
    other = Failure("intake", Problem("unreadable", "It cannot be opened.", "Look."))
    with writing(manager._services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0).id
        for cause in (CORRUPT, CORRUPT, other, CORRUPT):
            document = records.reject(connection, job, "/pipe", 0, cause)
    history = manager.failure(document)
    assert [error.code for error in history.refusals] == ["corrupt", "unreadable", "corrupt"]
    assert history.attempts == []


def test_the_newest_errors_of_a_document_are_kept(manager: TaskManager) -> None:
    with writing(manager._services.catalog) as connection:
        _, _, quiet_batch = begin(connection, "/srv/quiet.txt")
        document, _, batch = begin(connection)
        attempt_errors.record_retry(connection, claim(connection, quiet_batch, "embed", "node"), "node", DOWN)
        for number in range(attempt_errors.KEPT + 5):
            cause = Failure("embed", Problem("unavailable", f"Error {number}.", ""))
            attempt_errors.record_retry(connection, claim(connection, batch, "embed", "node", number), "node", cause)
        assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == attempt_errors.KEPT + 1
    errors = manager.failure(document).attempts[0].errors
    assert [error.message for error in errors] == [f"Error {number}." for number in range(5, attempt_errors.KEPT + 5)]


def test_old_errors_go_unless_their_failure_is_open(manager: TaskManager) -> None:
    with writing(manager._services.catalog) as connection:
        for source in ("/srv/open.txt", "/srv/purged.txt"):
            _, attempt, _ = begin(connection, source)
            attempts.fail(connection, {attempt: CORRUPT})
        failure_list.purge(connection, FailureFilter(has_source="/srv/purged.txt".__eq__))
    assert attempt_errors.prune(manager._services.catalog, time.time() - 60) == 0
    assert attempt_errors.prune(manager._services.catalog, time.time() + 60) == 1
    with manager._services.catalog.connect() as connection:
        kept = connection.scalars(sa.select(table.c.document_id)).all()
        (chosen,) = failure_list.list_chosen(connection, FailureFilter())
    assert kept == [chosen.document_id]


def test_a_long_trace_is_cut_at_its_beginning() -> None:
    functions = "\n".join(f"def step_{number}(): step_{number + 1}()" for number in range(200))
    names: dict[str, Any] = {}
    exec(f"{functions}\ndef step_200(): raise KeyError('x')", names)
    with pytest.raises(KeyError) as raised:
        names["step_0"]()
    text = trace_of(raised.value).text
    assert (len(text), "step_200" in text, "step_1\n" in text, text.endswith("KeyError")) == (
        LONGEST,
        True,
        False,
        True,
    )
