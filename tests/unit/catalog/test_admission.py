"""Admission: which batches are admitted, compared with a simple model that chooses one batch after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from catalog_tools import undone
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.schema import attempts as attempts_table
from pipeline.catalog.database.schema import batches as batches_table
from pipeline.catalog.database.schema import tasks
from pipeline.catalog.work import admission, batches, jobs, ledger
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.large_files import LargeFiles

MANY = 1000


def begin(connection: Connection) -> str:
    return jobs.create(connection, Job("documents", "ingest", 5), "request", 0).id


def wait(connection: Connection, job: str, priority: int = 5, number: int = 1) -> list[str]:
    """Create waiting batches of a job, each younger than all before it. Returns their ids."""
    names = []
    for _ in range(number):
        count = connection.scalar(sa.select(sa.func.count()).select_from(batches_table)) or 0
        names.append(f"{job}-{count:04}")
        batches.add(connection, names[-1], job, priority)
        connection.execute(
            batches_table.update().where(batches_table.c.id == names[-1]).values(created_at=float(count))
        )
    return names


def work(connection: Connection, job: str, stage: str = "embed", parts: int = 1, priority: int = 5) -> str:
    """Create an active batch with so many due tasks of a stage. Returns its id."""
    (name,) = wait(connection, job, priority)
    connection.execute(batches_table.update().where(batches_table.c.id == name).values(state="active"))
    ledger.add_due(connection, [(name, stage, part, None) for part in range(parts)])
    return name


def admit(connection: Connection, window: int = MANY, most_due: int = MANY) -> list[str]:
    chosen = admission.choose(connection, window, most_due)
    assert admission.admit(connection, window, most_due, "extract") == chosen
    return chosen


def test_higher_priorities_go_first_within_the_window_of_each_job(connection: Connection) -> None:
    low, high, later = (begin(connection) for _ in range(3))
    waiting = {job: wait(connection, job, priority, 4) for job, priority in ((low, 2), (high, 9), (later, 2))}
    admitted = admit(connection, 2)
    assert admitted == [*waiting[high][:2], waiting[low][0], waiting[later][0], waiting[low][1], waiting[later][1]]
    assert admit(connection, 2) == []
    batches.finish(connection, waiting[later][1])
    # No job waits for another job's batches to end.
    assert admit(connection, 2) == [waiting[later][2]]
    due = connection.scalars(sa.select(tasks.c.batch_id).where(tasks.c.stage == "extract")).all()
    assert sorted(due) == sorted([*admitted, waiting[later][2]])


def test_a_single_file_does_not_wait_for_a_large_job(connection: Connection) -> None:
    """The large job came first and never runs out of batches; the single file is admitted next all the same."""
    large, small = begin(connection), begin(connection)
    running, *rest = wait(connection, large, number=300)
    assert admit(connection, 6, 1) == [running]
    (single,) = wait(connection, small)
    assert admit(connection, 6, 1) == []
    assert admit(connection, 6, 3) == [single, rest[0]]


def test_a_scan_does_not_keep_the_rest_of_its_job_behind_those_of_others(connection: Connection) -> None:
    """OCR of the scan takes an hour while single files keep coming: of equal priority the older goes first."""
    large = begin(connection)
    scan = work(connection, large, "ocr", parts=50)
    rest = wait(connection, large, number=3)
    (single,) = wait(connection, begin(connection))
    assert admit(connection, 6, 1) == [rest[0]]
    # Now the job has an active batch.
    assert admit(connection, 6, 2) == [single]
    # The window counts all batches of the job.
    batches.finish(connection, rest[0])
    assert admit(connection, 1, 99) == []
    batches.finish(connection, scan)
    assert admit(connection, 1, 99) == [rest[1]]


def test_no_batch_is_admitted_while_too_many_tasks_are_due(connection: Connection) -> None:
    job, other = begin(connection), begin(connection)
    name = work(connection, job, parts=16)
    (single,) = wait(connection, other)
    assert admit(connection, most_due=16) == []
    # A worker has claimed a task, so one fewer is due.
    assert ledger.claim(connection, ledger.task_id(name, "embed"), "worker", ())
    assert admit(connection, most_due=16) == [single]


def test_an_urgent_batch_does_not_wait_for_less_urgent_tasks(connection: Connection) -> None:
    job = begin(connection)
    work(connection, job, parts=16, priority=5)
    (urgent,), (like,) = wait(connection, job, 6), wait(connection, job, 5)
    assert admit(connection, most_due=16) == [urgent]
    assert admit(connection, most_due=17) == []
    assert admit(connection, most_due=18) == [like]


@pytest.mark.parametrize("stage", ["ocr", "redact"])
def test_a_stage_that_only_some_batches_pass_delays_no_other_job(connection: Connection, stage: str) -> None:
    job = begin(connection)
    work(connection, job, stage, parts=50)
    (single,) = wait(connection, job)
    assert admit(connection, most_due=1) == [single]


def test_a_retried_task_delays_no_other_job(connection: Connection) -> None:
    """The server of a model is down: the tasks that need it are retried, while those of other jobs go on."""
    job = begin(connection)
    name = work(connection, job, parts=4)
    (single,) = wait(connection, job)
    for part in range(4):
        task = ledger.task_id(name, "embed", part)
        assert ledger.claim(connection, task, "worker", ())
        ledger.release(connection, task, "worker")
    assert admit(connection, most_due=1) == [single]


def test_a_cancelled_batch_delays_no_other_job(connection: Connection) -> None:
    job = begin(connection)
    name = work(connection, job, parts=4)
    connection.execute(batches_table.update().where(batches_table.c.id == name).values(state="cancelled"))
    (single,) = wait(connection, job)
    assert admit(connection, most_due=1) == [single]


def test_no_more_than_the_maximum_of_active_batches_is_admitted(connection: Connection) -> None:
    for _ in range(admission.MAX_ACTIVE + 5):
        wait(connection, begin(connection))
    assert len(admit(connection)) == admission.MAX_ACTIVE
    assert admit(connection) == []


def test_an_urgent_batch_is_admitted_when_all_slots_are_taken(connection: Connection) -> None:
    """OCR works on as many scans as may be active; a text with a higher priority is admitted all the same."""
    for _ in range(admission.MAX_ACTIVE):
        work(connection, begin(connection), "ocr")
    (like,), (urgent,) = wait(connection, begin(connection), 5), wait(connection, begin(connection), 6)
    assert admit(connection) == [urgent]
    assert like not in admit(connection)


def done(connection: Connection, name: str, stage: str, part: int, seconds: float) -> None:
    """Record a finished task that took so many seconds."""
    ledger.add_due(connection, [(name, stage, part, None)])
    here = tasks.c.id == ledger.task_id(name, stage, part)
    connection.execute(tasks.update().where(here).values(state="done", started_at=50.0, finished_at=50.0 + seconds))


def test_faster_embedding_raises_the_limit_of_due_tasks(connection: Connection) -> None:
    """With a GPU or a remote server many tasks are done before the next batch is extracted, so more must be due."""
    (name,) = wait(connection, begin(connection))
    assert admission.due_per_worker(connection) == admission.MIN_DUE_PER_WORKER
    done(connection, name, "extract", 0, 25.0)
    done(connection, name, "chunk", 0, 5.0)
    done(connection, name, "ocr", 0, 500.0)
    assert admission.due_per_worker(connection) == admission.MIN_DUE_PER_WORKER
    for part, seconds in enumerate((0.0625, 0.1875)):
        done(connection, name, "embed", part, seconds)
    assert admission.due_per_worker(connection) == 240
    for part in range(2, 20):
        done(connection, name, "embed", part, 10.0)
    assert admission.due_per_worker(connection) == admission.MIN_DUE_PER_WORKER


def test_is_any_waiting_is_true_only_while_a_batch_waits(connection: Connection) -> None:
    assert not admission.is_any_waiting(connection)
    work(connection, begin(connection))
    assert not admission.is_any_waiting(connection)
    wait(connection, begin(connection), 1)
    assert admission.is_any_waiting(connection)


@dataclass(frozen=True)
class Batch:
    """A batch of a job: waiting, or active with a due task of a stage."""

    job: int
    priority: int
    stage: str | None


def expected(given: Sequence[Batch], window: int, most_due: int) -> list[int]:
    """Choose one batch after the other: the highest priority, then jobs without an active batch, then the oldest."""
    chosen: list[int] = []
    while True:
        inside = [batch for age, batch in enumerate(given) if batch.stage or age in chosen]
        busy = Counter(batch.job for batch in inside)
        shared = {batch.job for batch in inside if batch.stage != "ocr"}

        def has_room(batch: Batch, inside: Sequence[Batch] = inside, busy: Counter[int] = busy) -> bool:
            before = [other for other in inside if other.stage != "ocr" and other.priority >= batch.priority]
            return busy[batch.job] < window and len(before) < most_due

        may = [
            (-batch.priority, batch.job in shared, age)
            for age, batch in enumerate(given)
            if not batch.stage and age not in chosen and has_room(batch)
        ]
        if not may:
            return chosen
        chosen.append(min(may)[2])


BATCHES = st.builds(
    Batch, st.integers(0, 5), st.sampled_from([1, 5, 6, 10]), st.sampled_from([None, None, "extract", "embed", "ocr"])
)


@given(st.lists(BATCHES, max_size=24), st.integers(1, 4), st.integers(1, 12))
def test_admission_equals_choosing_one_batch_after_the_other(
    engine: Engine, given: list[Batch], window: int, most_due: int
) -> None:
    with undone(engine) as connection:
        names = [begin(connection) for _ in range(6)]
        ids = [
            work(connection, names[batch.job], batch.stage, priority=batch.priority)
            if batch.stage
            else wait(connection, names[batch.job], batch.priority)[0]
            for batch in given
        ]
        assert admit(connection, window, most_due) == [ids[age] for age in expected(given, window, most_due)]


LARGE = LargeFiles(above=1000, at_once=1)


def admit_with(connection: Connection, large: LargeFiles) -> list[str]:
    return admission.admit(connection, MANY, MANY, "extract", large)


def with_files(connection: Connection, job: str, *sizes: int) -> list[str]:
    """Waiting batches of a job, each of one file of this size."""
    names = wait(connection, job, number=len(sizes))
    for name, size in zip(names, sizes, strict=True):
        row = {"id": f"a-{name}", "document_id": f"d-{name}", "version_id": f"v-{name}", "job_id": job}
        more = {"batch_id": name, "number": 1, "state": "queued", "size": size, "created_at": 0.0}
        connection.execute(attempts_table.insert(), {**row, **more})
    return names


def taken_in(connection: Connection) -> str:
    job = begin(connection)
    jobs.finish_intake(connection, job)
    return job


def test_a_process_is_left_for_small_files_while_they_wait(connection: Connection) -> None:
    first, second, small, third = with_files(connection, taken_in(connection), 5000, 5000, 10, 5000)
    assert admit_with(connection, LARGE) == [first, small]
    # No smaller one waits: nothing is held back for them.
    assert admit_with(connection, LARGE) == [second, third]


def test_a_large_file_that_is_read_already_takes_the_place(connection: Connection) -> None:
    job = taken_in(connection)
    (read,) = with_files(connection, job, 5000)
    assert admit_with(connection, LARGE) == [read]
    large, small = with_files(connection, job, 5000, 10)
    assert admit_with(connection, LARGE) == [small]
    connection.execute(tasks.update().where(tasks.c.batch_id == read).values(stage="embed"))
    late = with_files(connection, job, 20)
    assert admit_with(connection, LARGE) == [large, *late]


def test_small_files_may_follow_while_a_job_begins(connection: Connection) -> None:
    job = begin(connection)
    first, second = with_files(connection, job, 5000, 5000)
    assert admit_with(connection, LARGE) == [first]
    jobs.finish_intake(connection, job)
    assert admit_with(connection, LARGE) == [second]
