"""The newest jobs in the status of the system: kept for a while, but a job that has come or ended shows at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import jobs, kept_value
from pipeline.catalog.work.jobs import Job
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager


def test_a_kept_status_shows_a_new_job_and_the_end_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_value, "MOMENT_S", -1.0)  # every value counts as one that takes long
    monkeypatch.setattr(kept_value, "TIMES", 1e9)
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"))
    manager = TaskManager(services)
    ids = []
    for number in (1, 2):
        with writing(services.catalog) as connection:
            ids.append(jobs.create(connection, Job("letters", "ingest", 5), "r", 1).id)
            records.record(connection, ids[-1], "recipe", FileRecord(f"/{number}.txt", "ab" * 32, 1, 0.0))
            jobs.finish_intake(connection, ids[-1])
        assert {job.id: job.state for job in manager.system().jobs} == dict.fromkeys(ids, "running")
    manager.cancel(ids[0])
    assert {job.id: job.state for job in manager.system().jobs} == {ids[0]: "cancelled", ids[1]: "running"}
    with writing(services.catalog) as connection:
        records.record(connection, ids[1], "recipe", FileRecord("/3.txt", "cd" * 32, 1, 0.0))
    shown = {job.id: job.documents for job in manager.system().jobs}
    assert shown[ids[1]] == 1  # it is counted anew after a while
    assert manager.job(ids[1]).documents == 2
    services.catalog.dispose()
