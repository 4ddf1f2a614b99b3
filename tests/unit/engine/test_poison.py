"""One document that kills its workers, in a batch with 63 good ones: they wait for one repeat, and none fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from search_rig import redis_server
from structlog.testing import capture_logs

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempts, batches, tasks
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import admission, ledger
from pipeline.catalog.work import batches as work_batches
from pipeline.catalog.work.ledger import Claim
from pipeline.engine import executor
from pipeline.ingest.placement import placement_of
from pipeline.ingest.request import Request
from pipeline.ingest.submit import record_job
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stages.done import Done
from pipeline.task_manager import TaskManager

DOCUMENTS = 64
POISON = "/in/13.txt"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with redis_server() as url:
        services = Services(Settings(data_dir=tmp_path, embedding_model="hashing", redis_url=url, window=100))
        yield services
        services.redis.close()
        services.catalog.dispose()


def must_not_run(_services: Services, _claim: Claim) -> Done:
    """The work of a task that has killed its worker too often."""
    raise AssertionError("it was started once more")


def work(_services: Services, _claim: Claim) -> Done:
    """The work of a good document."""
    return Done(lambda _connection: None)


def killed(services: Services, batch_id: str) -> str:
    """Let the extract task of a batch have killed its worker as often as it may; the task's id."""
    task_id = ledger.task_id(batch_id, "extract")
    with writing(services.catalog) as connection:
        starts = {"starts": services.settings.max_starts}
        connection.execute(tasks.update().where(tasks.c.id == task_id).values(starts))
    return task_id


def test_neighbours_of_a_poison_document_are_repeated_once_and_none_fails(services: Services) -> None:
    with writing(services.catalog) as connection:
        job = record_job(connection, services, Request([]), [100] * DOCUMENTS)
        placement, recipe = placement_of(services, connection, job)
        files = [FileRecord(f"/in/{n}.txt", f"{n:064d}", 100, 0.0) for n in range(DOCUMENTS)]
        taken = [records.record(connection, job.id, recipe, file, placement) for file in files]
        work_batches.create(connection, job.id, 5, [str(one.attempt_id) for one in taken])
        (together,) = admission.admit(connection, 1, 99, "extract")
    poison = next(str(one.attempt_id) for one, file in zip(taken, files, strict=True) if file.source == POISON)

    with capture_logs() as logs:
        executor.run(services, "node", must_not_run, killed(services, together), 0)
    assert [entry["documents"] for entry in logs if entry["event"] == "batch.split"] == [DOCUMENTS]

    # Each is in a batch of its own, has not failed, and is read once more, by the same attempt.
    with writing(services.catalog) as connection:
        while admission.admit(connection, 2 * DOCUMENTS, 2 * DOCUMENTS, "extract"):
            pass
        rows = connection.execute(sa.select(attempts.c.id, attempts.c.batch_id, attempts.c.number)).all()
        alone = {row.batch_id: row.id for row in rows}
        states = set(connection.scalars(sa.select(batches.c.state).where(batches.c.id.in_(alone))))
        starts = connection.scalars(sa.select(tasks.c.starts).where(tasks.c.batch_id.in_(alone))).all()
    assert (len(alone), together in alone, {row.number for row in rows}) == (DOCUMENTS, False, {1})
    assert (states, list(starts)) == ({"active"}, [0] * DOCUMENTS)

    for batch_id, attempt_id in alone.items():
        is_poison = attempt_id == poison
        task_id = killed(services, batch_id) if is_poison else ledger.task_id(batch_id, "extract")
        executor.run(services, "node", must_not_run if is_poison else work, task_id, 0)
    (failure,) = TaskManager(services).failures()
    assert (failure.source, failure.code, failure.fatal_attempts) == (POISON, "crashed", 1)
    with services.catalog.connect() as connection:
        done = connection.execute(
            sa.select(tasks.c.batch_id, tasks.c.starts).where(tasks.c.stage == "extract", tasks.c.state == "done")
        ).all()
    assert {row.starts for row in done if alone.get(row.batch_id) not in (None, poison)} == {1}
    assert len(done) == DOCUMENTS + 1


def test_deaths_of_a_whole_worker_do_not_count_towards_the_starts_of_a_task(services: Services) -> None:
    with writing(services.catalog) as connection:
        job = record_job(connection, services, Request([]), [100])
        placement, recipe = placement_of(services, connection, job)
        taken = records.record(connection, job.id, recipe, FileRecord(POISON, "0" * 64, 100, 0.0), placement)
        batch = work_batches.create(connection, job.id, 5, [str(taken.attempt_id)])
        admission.admit(connection, 1, 99, "extract")
        task = ledger.task_id(batch, "extract")
        most = services.settings.max_starts
        connection.execute(tasks.update().values(starts=most + 3, spared=4))
    counted: list[int] = []

    def give_back(_services: Services, claim: Claim) -> Done:
        counted.append(claim.counted_starts)
        with writing(services.catalog) as connection:
            connection.execute(tasks.update().values(state="due", runner=None, starts=most + 4))
        return Done(lambda _connection: None)

    executor.run(services, "node", give_back, task, 0)
    assert counted == [most]
    executor.run(services, "node", must_not_run, task, 0)
    assert [failure.code for failure in TaskManager(services).failures()] == ["crashed"]
