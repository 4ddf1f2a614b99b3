"""Priorities on Redis: the list in which a message waits, and the order in which workers read messages.

The extract worker of this stack has a pool of threads, and its embed worker comes late.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, write_documents

from pipeline.catalog.database.schema import batches, tasks
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.request import Request
from pipeline.ingest.submit import find, open_job
from pipeline.schedule.control import find_entry, request_run
from pipeline.settings import Settings
from pipeline.stack import Launch, ProcessSpec, settings_environment

NUMBER = 6
LISTS: dict[int | None, bytes] = {1: b"embed\x06\x169", None: b"embed\x06\x165", 10: b"embed"}
"""The list of each urgency: Redis serves the step 0 first, whose list has the queue's bare name."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    chosen = {"pool": "threads", "batch_documents": 2, "chunk_batch_size": 8, "chunk_tokens": 64}
    with stack_on(tmp_path_factory.mktemp("urgent") / "data", launch=without_embedding, **chosen) as flow_rig:
        yield flow_rig


def without_embedding(settings: Settings, specs: list[ProcessSpec]) -> Launch:
    return Launch(str(settings.data_dir), tuple(spec for spec in specs if not spec.name.startswith("embed")))


def test_most_urgent_job_is_served_first(rig: FlowRig, tmp_path: Path) -> None:
    """Jobs wait for a worker; the last of them to come is the most urgent one."""
    submitted = {urgency: submit(rig, tmp_path, urgency) for urgency in LISTS}
    assert eventually(lambda: all(wait_to_be_embedded(rig, job) for job in submitted.values()))
    assert {key: jobs_in(rig, key) for key in LISTS.values()} == {
        LISTS[priority]: {job} for priority, job in submitted.items()
    }

    with embed_worker(rig):
        assert [rig.wait(job) for job in submitted.values()] == [{"completed": NUMBER}] * len(submitted)
    served = [line["job"] for line in rig.logged("stage.done") if line["stage"] == "embed"]
    urgent_first = [submitted[urgency] for urgency in (10, None, 1)]
    assert served == sorted(served, key=urgent_first.index)
    assert all(served.count(job) > 2 for job in urgent_first)
    for urgency, job in submitted.items():
        rig.assert_at_rest(job)
        rig.assert_exact(f"urgency-{urgency}")


def test_a_run_of_the_schedule_that_is_asked_for_waits_for_no_job(rig: FlowRig) -> None:
    """Its message is in the list that is served first, where only the most urgent jobs are."""
    held = rig.processes("store")
    for process in held:
        process.suspend()
    try:
        assert eventually(lambda: lists_with_request(rig))
        found = lists_with_request(rig)
    finally:
        for process in held:
            process.resume()
    assert found == {b"maintenance"}
    assert eventually(lambda: find_entry(rig.services, "expiry").runs > 0)


def test_thread_pool_worker_does_the_same_work(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 12, seed=90)
    (tmp_path / "in" / "broken.pdf").write_bytes(b"%PDF-1.7\n1 0 obj\n")
    with embed_worker(rig):
        job = rig.submit(tmp_path / "in", collection="threads")
        assert rig.wait(job) == {"completed": 12, "failed": 1}
    assert len(rig.processes("extract", "pipeline.engine.worker")) == 1
    assert len(rig.processes("extract", "pipeline.stages.sandbox_child")) >= rig.settings.extract_processes
    assert rig.codes(job)["broken.pdf"] == "corrupt"
    rig.assert_at_rest(job)
    rig.assert_exact("threads")


def submit(rig: FlowRig, folder: Path, urgency: int | None) -> str:
    """Open a job as the CLI does: without a priority it gets that of the settings."""
    write_documents(folder / str(urgency), NUMBER, seed=70 + (urgency or 0))
    request = Request([folder / str(urgency)], collection=f"urgency-{urgency}", priority=urgency)
    files = find(rig.services, request)
    job = open_job(rig.services, request, files)
    ingest_files(rig.services, job, files)
    return job


def wait_to_be_embedded(rig: FlowRig, job: str) -> bool:
    """Whether nothing can be done for the job but to embed its chunks."""
    return {row.stage for row in rig.tasks_of(job, tasks.c.state != "done")} == {"embed"}


def jobs_in(rig: FlowRig, key: bytes) -> set[str]:
    """Whose tasks the messages in a list are about."""
    ids = [json.loads(message)["headers"]["id"] for message in rig.services.redis.lrange(key, 0, -1)]
    query = sa.select(batches.c.job_id).join(tasks, tasks.c.batch_id == batches.c.id).where(tasks.c.id.in_(ids))
    return {row.job_id for row in rig.rows(query)}


def lists_with_request(rig: FlowRig) -> set[bytes]:
    """Ask for a run; the lists that hold its message. A worker that is held may still get the first one."""
    request_run(rig.services, "expiry")
    keys = rig.services.redis.scan_iter("maintenance*")
    return {key for key in keys if "docrelay.schedule" in tasks_in(rig, key)}


def tasks_in(rig: FlowRig, key: bytes) -> list[str]:
    """The names of the tasks of the messages in a list."""
    return [json.loads(message)["headers"]["task"] for message in rig.services.redis.lrange(key, 0, -1)]


@contextmanager
def embed_worker(rig: FlowRig) -> Iterator[None]:
    line = [sys.executable, "-m", "pipeline.engine.worker", "embed", "--name", "late"]
    with subprocess.Popen(line, env={**os.environ, **settings_environment(rig.settings)}) as worker:
        try:
            yield
        finally:
            worker.terminate()
