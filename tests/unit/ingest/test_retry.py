"""Retries of failed documents from the copies that intake kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.database.schema import attempts, batches
from pipeline.catalog.work import attempts as work_attempts
from pipeline.catalog.work.failures import Failure
from pipeline.errors.problem import Problem
from pipeline.ingest import retry
from pipeline.ingest.cleanup import GUARD_S, sweep
from pipeline.ingest.request import Request
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.uploads import Draft, submit_uploads
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import RemoteSpool, original_key
from pipeline.task_manager import TaskManager

TEXT = b"The lighthouse keeper counts the ships."
SOURCE = "upload://letter.txt"
KEY = original_key(sha256(TEXT).hexdigest(), SOURCE)
CAUSE = Failure("embed", Problem("unavailable", "The store did not answer.", ""))
NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """A process that submits, with its spool on a store; neither Redis nor a worker runs."""
    url = f"memory://{uuid4().hex}"
    settings = Settings(data_dir=tmp_path, embedding_model="hashing", spool_url=url, redis_url=NO_REDIS)
    services = Services(settings, owner=True)
    yield services
    if "store" in services.__dict__:
        services.store.close()
    services.catalog.dispose()


def states(services: Services) -> list[str]:
    with services.catalog.connect() as connection:
        return sorted(connection.scalars(sa.select(attempts.c.state)))


def submit_and_fail(services: Services) -> None:
    draft = Draft(services)
    draft.write(TEXT)
    submit_uploads(services, GroupWriter(services.catalog), Request(()), [draft.finish(SOURCE)], SubmitOptions())
    with writing(services.catalog) as connection:
        attempt_ids = connection.scalars(sa.select(attempts.c.id)).all()
        work_attempts.fail(connection, dict.fromkeys(attempt_ids, CAUSE))


def test_a_copy_on_a_store_is_used_long_after_intake(services: Services) -> None:
    """The time of the copy cannot be set, and there is no other copy to write it from."""
    submit_and_fail(services)
    assert isinstance(services.spool, RemoteSpool)
    file = services.spool.files.store[f"{services.spool.root}/{KEY}"]
    file.created = datetime.fromtimestamp(time.time() - 2 * GUARD_S, UTC)
    assert not services.spool.renew(KEY)
    sweep(services)  # keeps it, as the failure is open
    TaskManager(services).retry([SOURCE])
    assert states(services) == ["failed", "queued"]
    sweep(services)
    assert services.spool.read(KEY) == TEXT


def test_a_retry_of_many_documents_enters_the_broker_a_few_batches_at_a_time(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, embedding_model="hashing", redis_url=NO_REDIS, window=2, batch_documents=1)
    services = Services(settings, owner=True)
    drafts = []
    for number in range(12):
        draft = Draft(services)
        draft.write(f"Letter {number}.".encode())
        drafts.append(draft.finish(f"upload://{number}.txt"))
    submit_uploads(services, GroupWriter(services.catalog), Request(()), drafts, SubmitOptions())
    with writing(services.catalog) as connection:
        work_attempts.fail(connection, dict.fromkeys(connection.scalars(sa.select(attempts.c.id)).all(), CAUSE))
    (job,) = TaskManager(services).retry()
    with services.catalog.connect() as connection:
        query = sa.select(batches.c.state, sa.func.count()).where(batches.c.job_id == job).group_by(batches.c.state)
        numbers = {state: number for state, number in connection.execute(query)}  # noqa: C416 - a row is no pair
    assert numbers == {"active": 2, "waiting": 10}
    services.store.close()
    services.catalog.dispose()


def test_a_retry_of_many_documents_lets_other_processes_write_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "TOGETHER", 3, raising=False)
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing", redis_url=NO_REDIS), owner=True)
    drafts = []
    for number in range(7):
        draft = Draft(services)
        draft.write(f"Letter {number}.".encode())
        drafts.append(draft.finish(f"upload://{number}.txt"))
    submit_uploads(services, GroupWriter(services.catalog), Request(()), drafts, SubmitOptions())
    with writing(services.catalog) as connection:
        work_attempts.fail(connection, dict.fromkeys(connection.scalars(sa.select(attempts.c.id)).all(), CAUSE))
    numbers = [7]
    number_of = sa.select(sa.func.count()).select_from(attempts)
    sa.event.listen(services.catalog, "commit", lambda connection: numbers.append(connection.scalar(number_of)))
    TaskManager(services).retry()
    assert numbers[-1] == 14
    assert max(after - before for before, after in pairwise(numbers)) == 3
    services.store.close()
    services.catalog.dispose()


def test_a_document_without_a_copy_fails_again(services: Services) -> None:
    submit_and_fail(services)
    services.spool.delete(KEY)
    TaskManager(services).retry([SOURCE])
    assert states(services) == ["failed"]
