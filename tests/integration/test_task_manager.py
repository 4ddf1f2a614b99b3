"""`TaskManager` on the real stack: status, progress, subscription and cancelling; content of the logs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, write_documents

from pipeline.catalog.database.schema import batches, tasks
from pipeline.catalog.database.schema import jobs as jobs_table
from pipeline.catalog.documents.lookup import derive_document_id
from pipeline.engine.celery_app import all_queues
from pipeline.errors import UnknownId
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.request import Request
from pipeline.ingest.submit import find, open_job
from pipeline.names import STAGES
from pipeline.results import JobStatus
from pipeline.task_manager import TaskManager

PLANTED = "Wendelin-Quastenflosser-4711"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    small = {"batch_documents": 4, "chunk_batch_size": 8}
    with stack_on(tmp_path_factory.mktemp("manager") / "data", embed_processes=1, **small) as flow_rig:
        yield flow_rig


@pytest.fixture(scope="module")
def manager(rig: FlowRig) -> TaskManager:
    return TaskManager(rig.services)


def follow(manager: TaskManager, job: str) -> list[JobStatus]:
    return list(manager.subscribe(job, timeout_s=120))


def test_status_by_every_kind_of_id(rig: FlowRig, manager: TaskManager, tmp_path: Path) -> None:
    (path,) = write_documents(tmp_path / "in", 1, seed=31)
    job = rig.submit(path, collection="kinds", priority=8)
    assert follow(manager, job)[-1].ended
    status = manager.status(job)
    assert isinstance(status, JobStatus)
    assert (status.state, status.priority, status.documents, status.completed, status.fraction) == (
        "completed",
        8,
        1,
        1,
        1.0,
    )
    assert (status.stages.points.done, status.stages.points.total, status.eta_s) == (status.chunks, status.chunks, 0.0)
    assert (status.stages.batches.done, status.stages.batches.total) == (1, 1)
    document = manager.document(derive_document_id("kinds", str(path)))
    assert (document.state, document.job_id, document.chunks) == ("completed", job, status.chunks)
    steps = [step.state for step in document.timeline]
    assert (steps[0], steps[-1]) == ("extracting", "completed")
    stages = {row.stage: manager.task(row.id) for row in rig.tasks_of(job)}
    assert set(stages) == {"extract", "chunk", "embed", "upsert", "finalize"}
    assert {(task.state, task.job_id, task.starts) for task in stages.values()} == {("done", job, 1)}
    assert [event.kind for event in manager.events(job)][-1] == "job.finished"
    for unknown in ("0" * 36, "nothing", ""):
        for ask in (manager.status, manager.job, manager.document, manager.task, manager.cancel):
            with pytest.raises(UnknownId):
                ask(unknown)
        with pytest.raises(UnknownId):
            next(manager.subscribe(unknown))


def test_subscription_reports_a_job_from_start_to_end(rig: FlowRig, manager: TaskManager, tmp_path: Path) -> None:
    """Seen by two at once; a worker is killed in the middle of a task, which is begun again by another start of it."""
    write_documents(tmp_path / "in", 12, words=1000, seed=32)
    seen: list[list[JobStatus]] = [[], []]

    def keep(kept: list[JobStatus]) -> None:
        for status in manager.subscribe(job, timeout_s=240):
            kept.append(status)  # noqa: PERF402 - others read it meanwhile

    with rig.gates.closed("embed"):
        job = rig.submit(tmp_path / "in", collection="long")
        followers = [threading.Thread(target=keep, args=(kept,)) for kept in seen]
        for follower in followers:
            follower.start()
        assert eventually(lambda: len(rig.tasks_of(job, tasks.c.stage == "chunk", tasks.c.state == "done")) == 3)
        for _ in range(5):
            before = [len(fractions(kept)) for kept in seen]
            rig.gates.let("embed")
            # Each follower sees the result of this task.
            assert eventually(lambda before=before: have_seen_more(seen, before))
        assert eventually(lambda: all(any(status.eta_s for status in kept) for kept in seen))
        (at_work,) = rig.gates.arrived("embed")
        assert (job, "embed", at_work.visitor) in [(task.job_id, task.stage, task.id) for task in manager.active()]
        psutil.Process(at_work.pid).kill()
    for follower in followers:
        follower.join(240)
    for statuses in seen:
        assert statuses[-1].ended
        assert [status.ended for status in statuses[:-1]] == [False] * (len(statuses) - 1)
        in_order = [status.fraction for status in statuses]
        assert in_order == sorted(in_order)
        assert 0 <= in_order[0] < 1
        assert in_order[-1] == 1
        assert len(fractions(statuses)) > 5
        for status in statuses:
            assert status.documents == status.completed + status.unchanged + status.failed + status.cancelled + sum(
                status.active.values()
            )
            for count in (
                status.stages.pages,
                status.stages.chunks_embedded,
                status.stages.points,
                status.stages.batches,
            ):
                assert 0 <= count.done <= count.total
        left = [status.eta_s for status in statuses if status.eta_s is not None]
        assert left
        assert left[-1] == 0.0
        assert max(left) > 0
    assert max(row.starts for row in rig.tasks_of(job)) > 1
    rig.assert_exact("long")


def fractions(seen: list[JobStatus]) -> set[float]:
    return {status.fraction for status in seen}


def have_seen_more(seen: list[list[JobStatus]], before: list[int]) -> bool:
    """Whether each follower has seen more fractions than before."""
    return all(len(fractions(kept)) > number for kept, number in zip(seen, before, strict=True))


def test_subscription_ends_at_its_time(rig: FlowRig, manager: TaskManager, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 2, seed=33)
    with rig.gates.closed("extract"):
        job = rig.submit(tmp_path / "in", collection="waiting")
        statuses = list(manager.subscribe(job, timeout_s=0.5))
        assert statuses
        assert not statuses[-1].ended
    assert follow(manager, job)[-1].completed == 2


def test_queues_fill_while_a_worker_is_stopped(rig: FlowRig, manager: TaskManager, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 40, words=20, seed=34)
    assert eventually(lambda: not any(manager.queues().depth[stage] for stage in STAGES))
    with rig.gates.closed("embed"):
        job = rig.submit(tmp_path / "in", collection="standing")
        assert eventually(lambda: manager.queues().depth["embed"] >= 3)
        state = manager.queues()
        assert set(state.depth) == set(all_queues())
        assert {worker.node.partition("@")[0] for worker in state.workers} >= {"extract", "store"}
        waiting = sa.select(sa.func.count()).where(batches.c.job_id == job, batches.c.state == "waiting")
        assert state.waiting_batches == rig.scalar(waiting) > 0
        system = manager.system()
        assert system.queues is not None
        assert system.jobs[0].id == job
        assert system.jobs[0].active
    last = follow(manager, job)[-1]
    assert (last.completed, manager.queues().waiting_batches) == (40, 0)


def test_documents_are_working_queued_or_waiting(rig: FlowRig, manager: TaskManager, tmp_path: Path) -> None:
    """A document that waits for admission, is queued, is processed or has ended has its own activity."""
    paths = write_documents(tmp_path / "in", 40, words=20, seed=35)
    batch, window = rig.settings.batch_documents, rig.settings.window
    first, third, last = (derive_document_id("followed", str(paths[position])) for position in (0, 2 * batch, -1))

    def activity(document: str) -> str:
        return manager.document(document).activity

    with rig.gates.closed("finalize"):
        with rig.gates.closed("extract"):
            job = rig.submit(tmp_path / "in", collection="followed")
            rig.gates.arrived("extract", 2)
            # Two processes read; of the job's batches a window is admitted.
            assert [activity(document_id) for document_id in (first, third, last)] == ["working", "queued", "waiting"]
            assert {task.stage for task in manager.active() if task.job_id == job} == {"extract"}
        # With so many batches finalized the last one is admitted; it cannot end.
        rig.gates.let("finalize", len(paths) // batch - window)
        assert eventually(lambda: activity(last) in ("queued", "working"))
    assert follow(manager, job)[-1].ended
    assert {activity(derive_document_id("followed", str(path))) for path in paths} == {"ended"}
    assert manager.active() == [] or job not in {task.job_id for task in manager.active()}


def test_task_manager_cancels_and_retries(rig: FlowRig, manager: TaskManager, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 30, words=50, seed=36)
    with rig.gates.closed("embed"):
        job = rig.submit(tmp_path / "in", collection="cancelled")
        rig.gates.arrived("embed")
        document_id = derive_document_id("cancelled", str(tmp_path / "in" / "letter-000.txt"))
        assert manager.cancel(document_id) == 1
        assert manager.document(document_id).state == "cancelled"
        assert manager.cancel(job) == 29
        statuses = follow(manager, job)
        assert (statuses[-1].state, statuses[-1].cancelled) == ("cancelled", 30)
    assert eventually(lambda: not rig.messages())
    assert rig.stored("cancelled") == []
    (tmp_path / "hollow.txt").write_bytes(b"")
    failed = rig.submit(tmp_path / "hollow.txt", collection="cancelled")
    assert follow(manager, failed)[-1].state == "failed"
    (tmp_path / "hollow.txt").write_text("No longer.")
    (again,) = manager.retry(job_id=failed)
    assert follow(manager, again)[-1].completed == 1
    assert manager.failures(job_id=failed) == manager.failures(job_id=again) == []
    assert manager.retry(job_id=failed) == []


# Logs


def test_log_lines_carry_ids_and_no_text(rig: FlowRig, manager: TaskManager, tmp_path: Path, needs: object) -> None:
    """JSON lines with the request id in every process that handles the document, and no text of a document."""
    folder = tmp_path / "in"
    write_documents(folder, 6, seed=37)
    (folder / "planted.md").write_text(f"# {PLANTED}\n\nThe {PLANTED} swims in every log, or in none.\n")
    (folder / "broken.pdf").write_bytes(f"%PDF-1.4\n({PLANTED}) Tj".encode())
    request = Request([folder], "logged", request_id="request-4711")
    job = open_job(rig.services, request, files := find(rig.services, request))
    ingest_files(rig.services, job, files)
    assert follow(manager, job)[-1].completed == 7
    batch_ids = [batch.id for batch in rig.rows(sa.select(batches.c.id).where(batches.c.job_id == job))]
    assert rig.scalar(sa.select(jobs_table.c.request_id).where(jobs_table.c.id == job)) == "request-4711"
    done = [line for line in rig.logged("stage.done") if line.get("request") == "request-4711"]
    assert {line["stage"] for line in done} == {"extract", "chunk", "embed", "upsert", "finalize"}
    assert {line["process"] for line in done} == {"extract", "embed-1", "store"}
    assert {line["job"] for line in done} == {job}
    assert {line["batch"] for line in done} == set(batch_ids)
    ran = sa.select(sa.func.count()).select_from(tasks.join(batches, batches.c.id == tasks.c.batch_id))
    assert len(done) == rig.scalar(ran.where(batches.c.job_id == job))
    folder_of_logs = rig.settings.data_dir / "logs"
    for path in folder_of_logs.glob("*.log"):
        for line in path.read_text("utf-8").splitlines():
            assert {"event", "level", "timestamp", "process"} <= json.loads(line).keys()
    assert [path.name for path in folder_of_logs.iterdir() if PLANTED in path.read_text("utf-8", "replace")] == []
