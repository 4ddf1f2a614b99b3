"""Lost, duplicated, replayed, unknown and waiting messages, and several reconcilers at the same time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from canvas_rig import Around, some
from error_checks import reported_codes
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, write_documents
from structlog.testing import capture_logs

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempts, events, failures, tasks
from pipeline.catalog.database.schema import batches as batches_table
from pipeline.catalog.database.schema import jobs as jobs_table
from pipeline.catalog.work import admission, batches, jobs, ledger
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.ledger import Claim
from pipeline.engine import dead_letter_queue, executor, reconciler, unserved
from pipeline.engine.admission import admit
from pipeline.engine.heartbeat import intake_node, start_heartbeat
from pipeline.engine.metrics import counted
from pipeline.errors import NoWorker
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.request import Request
from pipeline.ingest.submit import find, open_job
from pipeline.ingest.walk import walk
from pipeline.names import PREFIX
from pipeline.plan import Plan, Step
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stack import Launch, ProcessSpec
from pipeline.stages.done import Done


def queued(rig: FlowRig, stage: str) -> dict[bytes, list[bytes]]:
    """Raw messages of a stage by their key in Redis."""
    keys = [key for key in rig.services.redis.scan_iter(f"{stage}*") if rig.services.redis.type(key) == b"list"]
    return {key: rig.services.redis.lrange(key, 0, -1) for key in keys}


def test_duplicated_and_replayed_messages_do_no_work_twice(around: Around, tmp_path: Path) -> None:
    rig = around.rig
    some(tmp_path, 8, 33)
    with around.halted("embed-1"):
        job = rig.submit(tmp_path / "in", collection="m1")
        assert eventually(lambda: len(rig.tasks_of(job, tasks.c.stage == "embed")) > 1 and queued(rig, "embed"))
        assert eventually(lambda: not rig.tasks_of(job, tasks.c.stage == "chunk", tasks.c.state != "done"))
        copies = queued(rig, "embed")
        for key, messages in copies.items():
            rig.services.redis.rpush(key, *messages, *messages)
    assert rig.wait(job) == {"completed": 8}
    rig.assert_at_rest(job)
    assert all(row.starts == 1 for row in rig.tasks_of(job))
    before = (sorted(rig.stored("m1")), happenings(rig, job))
    for key, messages in copies.items():
        rig.services.redis.rpush(key, *messages)
    assert eventually(lambda: not rig.messages())
    rig.assert_at_rest(job)
    assert (sorted(rig.stored("m1")), happenings(rig, job)) == before
    rig.assert_exact("m1")
    counted = rig.rows(sa.select(attempts).where(attempts.c.job_id == job))
    assert [(row.chunks_embedded, row.chunks_upserted) for row in counted] == [
        (row.chunks_total,) * 2 for row in counted
    ]


def happenings(rig: FlowRig, job: str) -> int:
    return int(rig.scalar(sa.select(sa.func.count()).where(events.c.job_id == job)))


@pytest.mark.parametrize(("part", "stage"), [("extract", "extract"), ("embed-1", "embed"), ("store", "upsert")])
def test_lost_message_is_published_again(around: Around, tmp_path: Path, part: str, stage: str) -> None:
    rig = around.rig
    some(tmp_path, 8, 34 + len(stage))
    with around.halted(part):
        job = rig.submit(tmp_path / "in", collection=f"lost-{stage}")
        # A halted worker may hold one message already; what waits in the queue is surely held by no worker.
        assert eventually(lambda: any(queued(rig, stage).values()))
        key, messages = next((key, messages) for key, messages in queued(rig, stage).items() if messages)
        assert rig.services.redis.lrem(key, 1, messages[0]) == 1
        lost = json.loads(messages[0])["headers"]["id"]
    assert not eventually(lambda: rig.finished(job), 1.5)
    already = len(rig.logged("task.republished"))
    with ThreadPoolExecutor() as pool:
        again = {name for _ in range(8) for names in both(pool, rig) for name in names if not time.sleep(0.2)}
    assert lost in again
    assert len(rig.logged("task.republished")) == already
    around.reconcile(job)
    assert rig.wait(job) == {"completed": 8}
    rig.assert_at_rest(job)
    rig.assert_exact(f"lost-{stage}")


def both(pool: ThreadPoolExecutor, rig: FlowRig) -> list[list[str]]:
    """Two reconcilers at once."""
    return list(pool.map(reconciler.reconcile, [rig.services, rig.services]))


def test_messages_that_no_task_can_answer_are_set_aside(around: Around, tmp_path: Path) -> None:
    """An unknown task name, arguments that cannot be read, no name at all: the worker continues, and none is lost."""
    rig = around.rig
    some(tmp_path, 2, 50)
    with rig.broker() as connection, connection.Producer(serializer="json") as producer:
        for stage in ("extract", "embed", "upsert", "finalize"):
            headers = {"task": "docrelay.unheard_of", "id": f"nobody-{stage}", "lang": "py", "argsrepr": "()"}
            producer.publish([[], {}, {}], exchange="docrelay", routing_key=stage, headers=headers, priority=0)
        torn = {"task": "docrelay.upsert", "id": "torn", "lang": "py", "argsrepr": "()"}
        json_type = {"content_type": "application/json", "content_encoding": "utf-8"}
        producer.publish('[["torn', exchange="docrelay", routing_key="upsert", headers=torn, **json_type)
        producer.publish({"no": "task"}, exchange="docrelay", routing_key="embed")
    rig.services.redis.rpush("extract", b"no message at all")
    assert rig.ingest(tmp_path / "in", collection="nobody") == {"completed": 2}
    assert eventually(lambda: not rig.messages())
    assert eventually(lambda: dead_letter_queue.depth(rig.services) == 7)
    found = dead_letter_queue.peek(rig.services, 10)
    assert sorted((message.task or "", message.queue) for message in found) == [
        ("", "embed"),
        ("", "extract"),
        ("docrelay.unheard_of", "embed"),
        ("docrelay.unheard_of", "extract"),
        ("docrelay.unheard_of", "finalize"),
        ("docrelay.unheard_of", "upsert"),
        ("docrelay.upsert", "upsert"),
    ]
    assert dead_letter_queue.purge(rig.services) == 7


def test_no_more_is_read_than_can_be_embedded_soon(around: Around, tmp_path: Path) -> None:
    """Documents that come while no worker embeds wait in the catalog; more urgent ones do not, and all complete."""
    rig, ahead = around.rig, admission.MIN_DUE_PER_WORKER
    files = write_documents(tmp_path / "in", 17, seed=51)
    with writing(rig.services.catalog) as connection:  # as if embedding took long, as with a real model
        connection.execute(tasks.update().where(tasks.c.stage == "embed").values(started_at=tasks.c.finished_at - 60))
    with rig.gates.closed("embed"):
        single = [rig.submit(file, collection="ahead") for file in files[1:]]
        here = batches_table.c.job_id.in_(single)
        counted = sa.select(sa.func.count()).select_from(
            tasks.join(batches_table, batches_table.c.id == tasks.c.batch_id)
        )
        embedding = counted.where(here, tasks.c.stage == "embed")
        assert eventually(lambda: rig.scalar(embedding) >= ahead)
        urgent = rig.submit(files[0], collection="ahead", priority=9)
        assert eventually(lambda: rig.tasks_of(urgent, tasks.c.stage == "embed"))
        read = counted.where(here, tasks.c.stage.in_(("extract", "chunk")), tasks.c.state != "done")
        assert eventually(lambda: rig.scalar(read) == 0)
        # Neither what the worker is embedding counts, nor what each process was just reading.
        active = rig.scalar(sa.select(sa.func.count()).where(here, batches_table.c.state == "active"))
        assert ahead <= active <= ahead + 1 + rig.settings.extract_processes
    # The reconciler sleeps for minutes here: the embedding worker says that there is room.
    assert [rig.wait(job) for job in (urgent, *single)] == [{"completed": 1}] * 17
    for job in (urgent, *single):
        rig.assert_at_rest(job)
    rig.assert_exact("ahead")


# The broker alone: no worker runs


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    """A stack of Redis and nothing else."""
    chosen = {"batch_documents": 1, "window": 1000}
    base = tmp_path_factory.mktemp("still")
    with stack_on(base / "data", launch=without_workers, **chosen) as rig, pytest.MonkeyPatch.context() as patch:
        # As if there were workers enough.
        patch.setattr(admission, "MIN_DUE_PER_WORKER", 1000)
        yield rig


def without_workers(settings: Settings, specs: list[ProcessSpec]) -> Launch:
    return Launch(str(settings.data_dir), ())


def test_waiting_messages_are_not_published_again(
    still: FlowRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "GRACE_S", 0.0)
    write_documents(tmp_path / "in", 120, words=10, seed=60)
    job = still.submit(tmp_path / "in")
    assert len(still.tasks_of(job, tasks.c.state == "due")) == 120
    assert still.messages() == {"extract": 120}
    assert [reconciler.reconcile(still.services) for _ in range(5)] == [[]] * 5
    # Each lost message is published once, by any number of reconcilers.
    key = next(iter(queued(still, "extract")))
    lost = {json.loads(still.services.redis.lpop(key))["headers"]["id"] for _ in range(5)}
    with ThreadPoolExecutor(4) as pool:
        returned = [
            name for _ in range(6) for names in pool.map(reconciler.reconcile, [still.services] * 4) for name in names
        ]
    assert sorted(returned) == sorted(lost)
    assert still.messages() == {"extract": 120}


def test_job_of_a_dead_intake_is_closed(still: FlowRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its job is closed to more files; not so when Redis has only just begun to hear which workers live."""
    with writing(still.services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 5), "request", 1).id
        connection.execute(jobs_table.update().where(jobs_table.c.id == job).values(created_at=time.time() - 7200))
    monkeypatch.setattr(reconciler, "ABANDONED_S", 3600.0)
    reconciler.reconcile(still.services)
    assert not still.finished(job)
    monkeypatch.setattr(reconciler, "ABANDONED_S", 0.0)
    stop = start_heartbeat(still.services.redis, intake_node(job), 0.1, 5.0)
    reconciler.reconcile(still.services)
    assert not still.finished(job)
    stop()
    # No death is judged in the first moments of a Redis.
    assert eventually(lambda: reconciler.reconcile(still.services) or still.finished(job))


def test_publishing_without_a_broker_leaves_the_task_due(still: FlowRig, tmp_path: Path) -> None:
    """Redis is gone at the very moment: the work stays due, and is published when Redis is back."""
    write_documents(tmp_path / "in", 1, seed=61)
    with writing(still.services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 5), "request", 1).id
    gone = replace(still.services, settings=still.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    ingest_files(gone, job, walk([tmp_path / "in"], 1 << 30))
    assert [row.state for row in still.tasks_of(job)] == ["due"]
    before = still.messages().get("extract", 0)
    admit(still.services)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconciler, "GRACE_S", 0.0)
        assert [reconciler.reconcile(still.services) for _ in range(2)] == [[], [row.id for row in still.tasks_of(job)]]
    assert still.messages()["extract"] == before + 1


@pytest.mark.parametrize(("embedders", "enough"), [(1, 7), (2, 3)])
def test_the_embedding_worker_admits_batches_when_there_is_room(
    still: FlowRig, monkeypatch: pytest.MonkeyPatch, embedders: int, enough: int
) -> None:
    """In the middle of a large document the next one is admitted as soon as few enough tasks wait to be embedded."""
    monkeypatch.setattr(admission, "MIN_DUE_PER_WORKER", 4)
    with writing(still.services.catalog) as connection:
        connection.execute(tasks.delete().where(tasks.c.state == "done"))
        job = jobs.create(connection, Job("documents", "ingest", 9), "request", 1).id
        large = batches.create(connection, job, 9, [], active=True)
        ledger.add_due(connection, [(large, "embed", part, None) for part in range(10)])
        behind = batches.create(connection, job, 9, [])

    def after(stage: str, part: int) -> object:
        wanted = ledger.task_id(large, stage, part)
        executor.run(still.services, "me", lambda *_: Done(lambda _: None), wanted, 0)
        return still.scalar(sa.select(batches_table.c.state).where(batches_table.c.id == behind))

    def clear() -> None:
        with writing(still.services.catalog) as connection:
            connection.execute(batches_table.update().where(batches_table.c.job_id == job).values(state="cancelled"))

    with ExitStack() as scope:
        scope.callback(clear)
        for number in range(embedders):
            scope.callback(start_heartbeat(still.services.redis, f"embed@{number}", 0.1, 60.0, serves=["embed@embed"]))
        for part in range(enough):
            assert (after("embed", part), after("upsert", part)) == ("waiting", "waiting")
        # Of ten parts these are left, and the one that was just embedded waits to be stored.
        assert after("embed", enough) == "active"


def raise_always() -> None:
    raise RuntimeError("the disk is away")


def test_an_error_while_tidying_up_does_not_fail_a_task_that_is_done(still: FlowRig) -> None:
    """The commit counts: followers are notified, the next batch is admitted, and the task is counted as done."""
    with writing(still.services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 9), "request", 1).id
        batch = batches.create(connection, job, 9, [], active=True)
        ledger.add_due(connection, [(batch, "finalize", 0, None)])
        behind = batches.create(connection, job, 9, [])
    before = counted(still.services.redis)[0].get(("finalize", "done"), 0)
    task_id = ledger.task_id(batch, "finalize", 0)
    with still.services.redis.pubsub(ignore_subscribe_messages=True) as news, capture_logs() as lines:
        news.subscribe(f"{PREFIX}news:{job}")
        executor.run(still.services, "me", lambda *_: Done(lambda _: None, tidy=raise_always), task_id, 0)
        assert eventually(lambda: news.get_message(timeout=0.1))

    assert still.scalar(sa.select(batches_table.c.state).where(batches_table.c.id == behind)) == "active"
    assert [line["event"] for line in lines if line["event"] in ("clean_up.failed", "stage.done")] == [
        "clean_up.failed",
        "stage.done",
    ]
    assert counted(still.services.redis)[0]["finalize", "done"] == before + 1
    with writing(still.services.catalog) as connection:
        connection.execute(batches_table.update().where(batches_table.c.job_id == job).values(state="cancelled"))


def test_an_error_while_mending_after_a_lost_task_is_logged(still: FlowRig) -> None:
    """Another worker has done the task meanwhile: here it ends as lost, not as failed."""
    with writing(still.services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 9), "request", 1).id
        batch = batches.create(connection, job, 9, [], active=True)
        ledger.add_due(connection, [(batch, "upsert", 0, None)])
    task_id = ledger.task_id(batch, "upsert", 0)
    before = counted(still.services.redis)[0].get(("upsert", "lost"), 0)

    def work(services: Services, _claim: Claim) -> Done:
        with writing(services.catalog) as connection:
            assert ledger.finish(connection, task_id, "me")
        return Done(lambda _: None, lost=raise_always)

    with capture_logs() as lines:
        executor.run(still.services, "me", work, task_id, 0)

    assert [line["event"] for line in lines] == ["task.lost", "clean_up.failed"]
    assert counted(still.services.redis)[0]["upsert", "lost"] == before + 1
    with writing(still.services.catalog) as connection:
        connection.execute(batches_table.update().where(batches_table.c.job_id == job).values(state="cancelled"))


GHOST = Plan(documents=(Step("ghost", "ghost", "ghosts", {}, "1"),))


def at_the_ghost(still: FlowRig, folder: Path) -> str:
    """A job of two documents that have been read; the next stage is of a package that no worker has."""
    write_documents(folder / "in", 2, seed=62)
    with writing(still.services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ghostly", 5, GHOST), "request", 1).id
    ingest_files(still.services, job, walk([folder / "in"], 1 << 30))
    for row in still.tasks_of(job):
        with writing(still.services.catalog) as connection:
            claim = ledger.claim(connection, row.id, "reader", ())
            assert claim is not None
            assert ledger.finish(connection, row.id, "reader")
            executor.follow(connection, claim)
    assert {row.stage for row in still.tasks_of(job, tasks.c.state == "due")} == {"ghost"}
    return job


def waiting(still: FlowRig, seconds: float) -> Services:
    return replace(still.services, settings=still.settings.model_copy(update={"no_worker_s": seconds}))


def test_documents_of_a_stage_without_a_worker_fail(
    still: FlowRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its documents wait for a while and then fail; a worker that only serves its queue does not count."""
    monkeypatch.setattr(reconciler, "GRACE_S", 0.0)
    job = at_the_ghost(still, tmp_path)
    returned = [reconciler.reconcile(waiting(still, 3600)) for _ in range(5)]
    # An unknown queue is read too: each message is published again once, not at every run.
    assert sum(map(len, returned)) == 2
    assert sum(map(len, queued(still, "ghosts").values())) == 2
    stop = start_heartbeat(still.services.redis, "able@1", 0.1, 5.0, serves=["ghost@ghosts"])
    reconciler.reconcile(waiting(still, 0))
    stop()
    assert still.counts(job) == {"None": 2}
    stop = start_heartbeat(still.services.redis, "other@1", 0.1, 5.0, serves=["another@ghosts", "ghost@elsewhere"])
    with still.services.redis.pubsub(ignore_subscribe_messages=True) as news:
        news.subscribe(f"{PREFIX}news:{job}")
        reconciler.reconcile(waiting(still, 0))
        assert eventually(lambda: news.get_message(timeout=0.1))  # the followers of the job are notified
    stop()

    assert set(still.codes(job).values()) == {"no_worker"}
    assert still.finished(job)
    (hint,) = {row.hint for row in still.rows(sa.select(failures.c.hint).where(failures.c.job_id == job))}
    assert "docrelay worker extract --queues ghosts" in hint
    # The rest of the batch is completed by stages that workers have.
    assert {row.stage for row in still.tasks_of(job, tasks.c.state == "due")} == {"chunk"}
    assert sum(map(len, queued(still, "chunk").values())) == 2


def test_time_without_a_worker_counts_only_while_a_reconciler_runs(still: FlowRig, tmp_path: Path) -> None:
    """After a night without a stack, the waiting time starts again."""
    job = at_the_ghost(still, tmp_path)
    reconciler.reconcile(waiting(still, 3600))
    assert 0 < still.services.redis.ttl(unserved.UNSERVED) <= unserved.FORGOTTEN_S + 30
    still.services.redis.delete(unserved.UNSERVED)
    reconciler.reconcile(waiting(still, 0.5))
    assert still.counts(job) == {"None": 2}


def test_workflow_without_a_worker_is_refused_on_a_private_stack(still: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 1, seed=63)
    request = Request([tmp_path / "in"], workflow="redacted")
    # As long as no worker is there yet, nothing is known.
    open_job(still.services, request, find(still.services, request))
    stop = start_heartbeat(still.services.redis, "extract@1", 0.1, 5.0, serves=["extract@extract"])
    try:
        with pytest.raises(NoWorker, match="no worker for the stage redact on the queue redact") as caught:
            find(still.services, request)
        with pytest.raises(NoWorker):
            open_job(still.services, request, [])
        plain = replace(request, workflow="ingest")
        open_job(still.services, plain, find(still.services, plain))
    finally:
        stop()
    assert "docrelay up" in caught.value.hint
    assert reported_codes(caught.value) == ("no_worker", 3, 503)
    stop = start_heartbeat(still.services.redis, "new@1", 0.1, 5.0, serves=["extract@extract", "redact@redact"])
    find(still.services, request)
    stop()
