"""A task whose documents were cancelled is passed over: it counts with an outcome of its own, and took no time."""

from __future__ import annotations

from pathlib import Path

from search_rig import redis_server

from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import batches, jobs, ledger
from pipeline.catalog.work.cancel import cancel_task
from pipeline.catalog.work.jobs import Job
from pipeline.engine.executor import pass_over
from pipeline.engine.metrics import SECONDS, STAGE_DURATION, TASKS
from pipeline.services import Services
from pipeline.settings import Settings


def test_a_task_that_is_passed_over_is_counted_without_a_duration(tmp_path: Path) -> None:
    with redis_server() as url:
        services = Services(Settings(data_dir=tmp_path, embedding_model="hashing", redis_url=url))
        with writing(services.catalog) as connection:
            job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0).id
            recorded = records.record(connection, job, "recipe", FileRecord("/a", "a" * 64, 100, 1.0))
            batch = batches.create(connection, job, 5, [str(recorded.attempt_id)], active=True)
            ledger.add_due(connection, [(batch, "extract", 0, None)])
            task = ledger.task_id(batch, "extract")
            assert cancel_task(connection, task) == (1, [job])
        pass_over(services, task)
        pass_over(services, task)
        assert TASKS.read(services.redis) == {("extract", "revoked"): 1}
        assert (SECONDS.read(services.redis), STAGE_DURATION.read(services.redis)) == ({}, {})
        services.redis.close()
        services.catalog.dispose()
